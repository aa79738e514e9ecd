package server

import (
	"fmt"

	"github.com/tarnhealth/tarn/rest"
)

// announce tells a person at a terminal where things are.
func (s *Server) announce() {
	base := s.cfg.BaseURL + rest.Prefix + DefaultStore + "/r4"
	switch {
	case s.demo != nil:
		s.demo.announce(s.out, s.metricsURL())
	case s.cfg.Demo:
		fmt.Fprintf(s.out, `Tarn serves %d synthetic patients at %s

Try:
  curl '%s/Patient?_count=3&_pretty=true'
  curl '%s/Observation?code=http://loinc.org%%7C8867-4&_sort=-date&_count=5&_pretty=true'
  curl '%s/Condition?_include=Condition:subject&_count=5&_pretty=true'

Health %s/healthz, metrics %s. Stop with Ctrl-C.
`, demoPatients, base, base, base, base, s.cfg.BaseURL, s.metricsURL())
	case s.cfg.Auth == AuthNone:
		fmt.Fprintf(s.out, "Tarn serves %s\n", base)
	default:
		fmt.Fprintf(s.out, `Tarn serves %s

Callers need access tokens. Add people with tarn user, apps and services with
tarn client, both with --data %s; tarn token gets a token for the shell.
`, base, s.cfg.Data)
	}
}
