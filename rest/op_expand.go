package rest

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/rest/answer"
	"github.com/tarnhealth/tarn/terminology"
	"github.com/tarnhealth/tarn/terminology/capabilities"
)

// expandOperation is ValueSet/$expand.
// http://hl7.org/fhir/R4/valueset-operation-expand.html
func expandOperation() operation {
	return operation{
		code: "expand", on: []string{"ValueSet"}, levels: []level{levelType, levelInstance},
		serve: func(w http.ResponseWriter, r *request, in *arguments) error {
			x, err := in.expand()
			if err != nil {
				return err
			}
			return r.withTerminology(func(s *terminology.Service) error {
				set, err := r.valueSet(s, in)
				if err != nil {
					return err
				}
				found, err := set.With(in.texts("useSupplement")).Expand(x.Expand)
				if err != nil {
					return err
				}
				body, err := x.ValueSet(set, found, "urn:uuid:"+newUUID(), r.h.Now())
				if err != nil {
					return err
				}
				return r.writeJSON(w, http.StatusOK, body)
			})
		},
	}
}

// unoffered are parameters of $expand without which an answer would be another
// than the one asked for: they are refused, whatever else the client would have
// ignored.
var unoffered = []struct{ name, reason string }{
	{"context", "the value set of an element is asked for by its url, which the element's binding names"},
	{"date", "what codes meant on another day is not kept; valueSetVersion, system-version and force-system-version choose versions"},
}

// offered refuses what $expand does not take, all of it.
func (in *arguments) offered() error {
	var all *fhir.Error
	for _, p := range unoffered {
		if in.text(p.name) == "" {
			continue
		}
		one := fhir.Errorf(fhir.KindNotSupported, "$expand does not take the parameter %q: %s", p.name, p.reason).At("http." + p.name)
		if all == nil {
			all = one
			continue
		}
		all.Issues = append(all.Issues, one.Issues...)
	}
	if all == nil {
		return nil
	}
	return all
}

func (in *arguments) expand() (x answer.Expansion, err error) {
	if err := in.offered(); err != nil {
		return x, err
	}
	if err := in.only(capabilities.Parameters...); err != nil {
		return x, err
	}
	x.Filter, x.Language, x.Uses = in.text("filter"), in.language(), in.texts("designation")
	if x.Filter != "" {
		x.Given = append(x.Given, parameter{Name: "filter", String: x.Filter})
	}
	flags := map[string]*bool{
		"includeDesignations": &x.Designations, "includeDefinition": &x.Definitions,
		"activeOnly": &x.ActiveOnly, "excludeNotForUI": &x.SelectableOnly,
		"excludeNested": new(bool), "excludePostCoordinated": new(bool), // no list has either
	}
	for _, name := range []string{"activeOnly", "excludeNested", "excludeNotForUI", "excludePostCoordinated", "includeDefinition", "includeDesignations"} {
		if *flags[name], err = in.flag(name); err != nil {
			return x, err
		}
		if in.text(name) != "" {
			x.Given = append(x.Given, parameter{Name: name, Boolean: flags[name]})
		}
	}
	if err := in.page(&x); err != nil {
		return x, err
	}
	x.Exclude = in.texts("exclude-system")
	for _, p := range []struct {
		name     string
		versions *map[string]string
	}{{"system-version", &x.Versions.Default}, {"check-system-version", &x.Versions.Check}, {"force-system-version", &x.Versions.Force}} {
		if *p.versions, err = in.versions(p.name); err != nil {
			return x, err
		}
	}
	return x, nil
}

func (in *arguments) page(x *answer.Expansion) error {
	x.Count = -1
	for _, p := range []struct {
		name string
		to   *int
	}{{"offset", &x.Offset}, {"count", &x.Count}} {
		text := in.text(p.name)
		if text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return invalidParameter(p.name, "%q is not a whole number from 0", text)
		}
		*p.to = n
		x.Given = append(x.Given, parameter{Name: p.name, Integer: &n})
	}
	return nil
}

// versions reads canonical URLs of code systems with versions.
func (in *arguments) versions(name string) (map[string]string, error) {
	all := map[string]string{}
	for _, canonical := range in.texts(name) {
		url, version, ok := strings.Cut(canonical, "|")
		if !ok || version == "" {
			return nil, invalidParameter(name, "%q is not the URL of a code system with |version", canonical)
		}
		all[url] = version
	}
	return all, nil
}
