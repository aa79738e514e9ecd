package main

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/definition/internal/table"
)

var paramTypes = map[string]definition.ParamType{
	"number": definition.ParamNumber, "date": definition.ParamDate, "string": definition.ParamString,
	"token": definition.ParamToken, "reference": definition.ParamReference,
	"composite": definition.ParamComposite, "quantity": definition.ParamQuantity,
	"uri": definition.ParamURI, "special": definition.ParamSpecial,
}

// packParams packs one parameter for each definition and base type, by base
// and code.
func (p *packer) packParams() error {
	all, err := readReal[searchParameter](p.core, "SearchParameter")
	if err != nil {
		return err
	}
	p.t.Definitions = len(all)
	for _, url := range sortedKeys(all) {
		for _, base := range p.bases(all[url].Base) {
			param, err := p.param(all[url], base)
			if err != nil {
				return err
			}
			p.t.Params = append(p.t.Params, param)
		}
	}
	slices.SortFunc(p.t.Params, func(a, b table.Param) int {
		return cmp.Or(cmp.Compare(a.Base, b.Base), cmp.Compare(a.Code, b.Code))
	})
	for i := 1; i < len(p.t.Params); i++ {
		if a, b := p.t.Params[i-1], p.t.Params[i]; a.Base == b.Base && a.Code == b.Code {
			return fmt.Errorf("%s: both %s and %s are %q", a.Base, a.URL, b.URL, a.Code)
		}
	}
	return p.packComponents(all)
}

// bases repeats the parameters of Resource and DomainResource for each
// concrete type.
func (p *packer) bases(base []string) []string {
	var out []string
	for _, b := range base {
		switch b {
		case "Resource":
			out = append(out, p.resources...)
		case "DomainResource":
			out = append(out, p.domainResources()...)
		default:
			out = append(out, b)
		}
	}
	return out
}

func (p *packer) domainResources() []string {
	var out []string
	for _, t := range p.t.Types {
		if t.Base == "DomainResource" && slices.Contains(p.resources, t.Name) {
			out = append(out, t.Name)
		}
	}
	return out
}

func (p *packer) param(d searchParameter, base string) (table.Param, error) {
	if paramTypes[d.Type] == 0 {
		return table.Param{}, fmt.Errorf("%s: type %q is not known", d.URL, d.Type)
	}
	expression := definition.PartsFor(d.Expression, base, func(name string) bool { return slices.Contains(p.resources, name) })
	if d.Expression != "" && expression == "" {
		return table.Param{}, fmt.Errorf("%s: no part of %q applies to %s", d.URL, d.Expression, base)
	}
	return table.Param{
		Code: d.Code, Base: base, URL: d.URL, Type: int(paramTypes[d.Type]),
		Expression:  expression,
		Targets:     p.targetList(d.Target),
		Description: describe(d.Description, base),
	}, nil
}

var markdownLink = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)

// describe is a definition's description as one line of plain text. Shared
// definitions have one item per type: "* [Patient](patient.html): …".
func describe(description, base string) string {
	if _, rest, ok := strings.Cut(description, "* ["+base+"]("); ok {
		if _, text, ok := strings.Cut(rest, "): "); ok {
			description = text
		}
	}
	line, _, _ := strings.Cut(strings.TrimSpace(description), "\n")
	return strings.TrimSpace(markdownLink.ReplaceAllString(line, "$1"))
}

func (p *packer) packComponents(all map[string]searchParameter) error {
	byURL := map[string]int{}
	for i, param := range p.t.Params {
		byURL[param.Base+" "+param.URL] = i
	}
	for i := range p.t.Params {
		param := &p.t.Params[i]
		for _, c := range all[param.URL].Component {
			at, ok := byURL[param.Base+" "+c.Definition]
			if !ok {
				return fmt.Errorf("%s: component %s is not a parameter of %s", param.URL, c.Definition, param.Base)
			}
			param.Components = append(param.Components, table.Component{Param: at, Expression: c.Expression})
		}
	}
	return nil
}
