package roles

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/tarnhealth/tarn/healthlake"
)

// controlText is "name=Operation,Operation*", or "name[key=value,…]=…".
var controlText = regexp.MustCompile(`^([a-z][a-z0-9-]{0,63})(?:\[([^\[\]]+)\])?=([A-Za-z*]+(?:,[A-Za-z*]+)*)$`)

// ParseControl reads roles of access keys as they stand in tarn.yaml, each name
// once: "tagger=List*,TagResource", and "cardio[team=cardio,env=prod]=*" for data
// stores with these tags alone.
func ParseControl(list []string) (map[string]healthlake.Role, error) {
	all := map[string]healthlake.Role{}
	for _, text := range list {
		parts := controlText.FindStringSubmatch(text)
		if parts == nil || all[parts[1]].Operations != nil {
			return nil, fmt.Errorf("%q is not allowed; write name=Operation,Operation* or name[key=value]=Operation, each name once", text)
		}
		role := healthlake.Role{Operations: strings.Split(parts[3], ",")}
		if parts[2] != "" {
			role.Tags = map[string]string{}
			for tag := range strings.SplitSeq(parts[2], ",") {
				key, value, ok := strings.Cut(tag, "=")
				if _, twice := role.Tags[key]; !ok || twice {
					return nil, fmt.Errorf("%q is not allowed: tags are written key=value, each key once, with commas between", text)
				}
				role.Tags[key] = value
			}
		}
		all[parts[1]] = role
	}
	return all, healthlake.CheckRoles(all)
}
