package conformance

import (
	"bytes"
	"encoding/json"

	"github.com/tarnhealth/tarn/guide"
)

// pinned is a StructureDefinition whose references to definitions that its
// package has in one version, and the guides in others too, name that version:
// versions beside each other do not mix.
func (g *Guides) pinned(src []byte, of *guide.Package) ([]byte, error) {
	if !g.versions[of.Name] {
		return src, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(src))
	decoder.UseNumber()
	var d map[string]any
	if err := decoder.Decode(&d); err != nil {
		return nil, err
	}
	p := pinner{of}
	p.text(d, "baseDefinition", structure)
	for _, part := range []string{"snapshot", "differential"} {
		elements, _ := d[part].(map[string]any)
		list, _ := elements["element"].([]any)
		for _, e := range list {
			p.element(e)
		}
	}
	return json.Marshal(d)
}

// A pinner names the versions of one package.
type pinner struct{ of *guide.Package }

// canonical is a URL with the version that the package has it in.
func (p pinner) canonical(url any, resourceType string) any {
	text, ok := url.(string)
	if !ok {
		return url
	}
	if e := p.of.Entry(resourceType, text); e != nil && e.URL == text {
		return text + "|" + versionOf(e, p.of)
	}
	return url
}

func (p pinner) text(members map[string]any, name, resourceType string) {
	if members[name] != nil {
		members[name] = p.canonical(members[name], resourceType)
	}
}

func (p pinner) element(e any) {
	element, _ := e.(map[string]any)
	if binding, ok := element["binding"].(map[string]any); ok {
		p.text(binding, "valueSet", "ValueSet")
	}
	types, _ := element["type"].([]any)
	for _, t := range types {
		of, _ := t.(map[string]any)
		for _, name := range []string{"profile", "targetProfile"} {
			list, _ := of[name].([]any)
			for i := range list {
				list[i] = p.canonical(list[i], structure)
			}
		}
	}
}
