package fhir

// isResource reports whether values of the type are resources that name their
// own type: Bundle.entry.resource, contained, Parameters.parameter.resource.
func isResource(t *Type) bool {
	return t.Kind == KindResource ||
		t.Kind == KindAbstract && (t.Name == "Resource" || t.Name == "DomainResource")
}

// resourceType finds the type of the resource whose opening brace is at p.at
// without taking anything. Almost always resourceType is the first member;
// otherwise the object is scanned for it. Where the type is missing or unknown
// that is recorded and t is nil. f is the object that holds the resource, nil
// for the root.
func (p *parser) resourceType(f *frame) (t *Type, ok bool) {
	start, depth := p.at, p.depth
	valueAt, ok := p.findResourceType()
	if !ok {
		return nil, false
	}
	if valueAt != 0 {
		p.at = valueAt
		t, ok = p.namedType(f)
	} else {
		p.issueAt(start, p.resourcePath(f), "required",
			`the resource has no "resourceType"; add one, such as "resourceType": "Patient"`)
	}
	p.at, p.depth = start, depth
	return t, ok
}

// findResourceType returns the offset of the value of resourceType, 0 where
// the object has none. Reading stops there.
func (p *parser) findResourceType() (valueAt int, ok bool) {
	if !p.enter() {
		return 0, false
	}
	p.at++
	if p.next() == '}' {
		return 0, true
	}
	for {
		if p.next() != '"' {
			return 0, p.unexpected("a key in double quotes")
		}
		key, ok := p.key()
		if !ok {
			return 0, false
		}
		if string(key) == "resourceType" {
			return p.at, true
		}
		if !p.skip() {
			return 0, false
		}
		switch p.next() {
		case ',':
			p.at++
		case '}':
			return 0, true
		default:
			return 0, p.unexpected(`"," or "}"`)
		}
	}
}

// namedType reads the value of resourceType at p.at.
func (p *parser) namedType(f *frame) (*Type, bool) {
	if p.next() != '"' {
		if !p.startsValue() {
			return nil, p.unexpected("a value")
		}
		p.issueAt(p.at, p.resourcePath(f), "value",
			`"resourceType" must be a string, got %s`, describe(p.src[p.at]))
		return nil, true
	}
	at := p.at
	start, end, escaped, ok := p.text()
	if !ok {
		return nil, false
	}
	name := p.src[start:end]
	if escaped {
		name = []byte(unescape(name))
	}
	if t := p.schema.byName[string(name)]; t != nil && t.Kind == KindResource {
		return t, true
	}
	p.issueAt(at, p.resourcePath(f), "value", "%s is not a resource type of FHIR %s%s",
		quoteKey(name), p.schema.Release, didYouMean(Nearest(string(name), p.resourceNames())))
	return nil, true
}

func (p *parser) resourceNames() []string {
	var names []string
	for _, t := range p.schema.Types {
		if t.Kind == KindResource {
			names = append(names, t.Name)
		}
	}
	return names
}

func (p *parser) resourcePath(f *frame) string {
	if f == nil {
		return ""
	}
	return p.itemPath(f)
}
