package rest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/guide/conformance"
	"github.com/tarnhealth/tarn/search"
)

// A capability is a data store's CapabilityStatement, ready to send.
type capability struct {
	// registry is the search parameters that it lists.
	registry *search.Registry
	// security is what it says of authorization.
	security *Security
	// guides are what it says of implementation guides.
	guides *conformance.Guides
	// profiles are those that are stored.
	profiles storedProfiles
	// topics are those that there may be Subscriptions to.
	topics []string
	body   []byte
	etag   string
}

// storedProfiles are the profiles that resources define, as url|version, by type.
type storedProfiles interface {
	Of(resourceType string) []string
}

// readCapability answers GET [base]/metadata.
// http://hl7.org/fhir/R4/http.html#capabilities
func readCapability(w http.ResponseWriter, r *request) error {
	if err := r.onlyParameters("mode", "_summary", "_elements"); err != nil {
		return err
	}
	if mode, _ := valueOf(r.query, "mode"); mode == "terminology" {
		return r.terminologyCapabilities(w)
	}
	if err := r.capabilityMode(); err != nil {
		return err
	}
	s, err := r.shape("CapabilityStatement")
	if err != nil {
		return err
	}
	c, err := r.h.capability(r.ctx, r.store)
	if err != nil {
		return err
	}
	if err := r.matched(strings.Trim(c.etag, `W/"`), "the statement"); err != nil {
		return err
	}
	header := w.Header()
	header.Set("ETag", c.etag)
	header.Set("Cache-Control", "public, max-age=60")
	for _, value := range r.header.Values("If-None-Match") {
		if strings.Contains(value, c.etag) {
			w.WriteHeader(http.StatusNotModified)
			return nil
		}
	}
	return r.writeShaped(w, "CapabilityStatement", c.body, s)
}

// writeShaped answers with a statement about the data store, or a part of it.
func (r *request) writeShaped(w http.ResponseWriter, resourceType string, body []byte, s *shape) error {
	if s == nil {
		return r.writeJSON(w, http.StatusOK, body)
	}
	part, err := fhir.AppendSubset(nil, body, r.store.Definitions().Schema.Type(resourceType), s.keep)
	if err != nil {
		return err
	}
	return r.writeJSON(w, http.StatusOK, part)
}

// capabilityMode refuses the modes of /metadata that are not offered.
func (r *request) capabilityMode() error {
	for _, p := range r.query {
		if p.Name == "mode" && p.Value != "full" && p.Value != "normative" {
			return fhir.Errorf(fhir.KindNotSupported, "mode=%s is not offered; [base]/metadata has mode=full and mode=terminology", p.Value).At("http.mode")
		}
	}
	return nil
}

// supported are the profiles of a resource type that guides have and resources
// define.
func (c *capability) supported(resourceType string) []string {
	all := slices.Concat(c.guides.SupportedProfiles(resourceType), c.profiles.Of(resourceType))
	slices.Sort(all)
	return slices.Compact(all)
}

// maxCapabilities bounds how many statements are kept.
const maxCapabilities = 64

func (h *handler) capability(ctx context.Context, s *datastore.Store) (*capability, error) {
	profiles, err := s.StoredProfiles()
	if err != nil {
		return nil, err
	}
	var topics []string
	if h.Topics != nil {
		if topics, err = h.Topics(ctx, s); err != nil {
			return nil, err
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	registry, guides := s.Registry(), s.Guides()
	if guides == nil {
		guides = conformance.None()
	}
	var security *Security
	if h.Security != nil {
		security = h.Security(s)
	}
	if c := h.capabilities[s]; c != nil && c.registry == registry && c.security == security && c.guides == guides && c.profiles == profiles && slices.Equal(c.topics, topics) {
		return c, nil
	}
	c := &capability{registry: registry, security: security, guides: guides, profiles: profiles, topics: topics}
	body, err := json.Marshal(h.describe(s, c))
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(body)
	c.body, c.etag = body, `W/"`+hex.EncodeToString(sum[:8])+`"`
	if len(h.capabilities) >= maxCapabilities {
		clear(h.capabilities)
	}
	h.capabilities[s] = c
	return c, nil
}

// The parts of a CapabilityStatement that Tarn fills.
// http://hl7.org/fhir/R4/capabilitystatement.html
type (
	capabilityStatement struct {
		ResourceType   string                   `json:"resourceType"`
		URL            string                   `json:"url"`
		Name           string                   `json:"name"`
		Title          string                   `json:"title"`
		Status         string                   `json:"status"`
		Date           string                   `json:"date"`
		Kind           string                   `json:"kind"`
		Instantiates   []string                 `json:"instantiates,omitempty"`
		Software       capabilitySoftware       `json:"software"`
		Implementation capabilityImplementation `json:"implementation"`
		FHIRVersion    string                   `json:"fhirVersion"`
		Format         []string                 `json:"format"`
		PatchFormat    []string                 `json:"patchFormat"`
		Guides         []string                 `json:"implementationGuide,omitempty"`
		Rest           []capabilityRest         `json:"rest"`
	}
	capabilitySoftware struct {
		Name    string `json:"name"`
		Version string `json:"version,omitempty"`
	}
	capabilityImplementation struct {
		Description string `json:"description"`
		URL         string `json:"url"`
	}
	capabilityRest struct {
		Mode        string                `json:"mode"`
		Security    capabilitySecurity    `json:"security"`
		Resource    []capabilityResource  `json:"resource"`
		Interaction []capabilityCode      `json:"interaction"`
		SearchParam []capabilityParam     `json:"searchParam"`
		Operation   []capabilityOperation `json:"operation,omitempty"`
		Compartment []string              `json:"compartment,omitempty"`
	}
	capabilityOperation struct {
		Name       string `json:"name"`
		Definition string `json:"definition"`
	}
	capabilitySecurity struct {
		Extension   []capabilityExtension `json:"extension,omitempty"`
		CORS        bool                  `json:"cors"`
		Service     []capabilityConcept   `json:"service,omitempty"`
		Description string                `json:"description,omitempty"`
	}
	capabilityCode struct {
		Code string `json:"code"`
	}
	topicNamed struct {
		URL   string `json:"url"`
		Value string `json:"valueCanonical"`
	}
	capabilityResource struct {
		Extension         []topicNamed          `json:"extension,omitempty"`
		Type              string                `json:"type"`
		Profile           string                `json:"profile"`
		Supported         []string              `json:"supportedProfile,omitempty"`
		Interaction       []capabilityCode      `json:"interaction"`
		Versioning        string                `json:"versioning"`
		ReadHistory       bool                  `json:"readHistory"`
		UpdateCreate      bool                  `json:"updateCreate"`
		ConditionalCreate bool                  `json:"conditionalCreate"`
		ConditionalRead   string                `json:"conditionalRead"`
		ConditionalUpdate bool                  `json:"conditionalUpdate"`
		ConditionalDelete string                `json:"conditionalDelete"`
		ReferencePolicy   []string              `json:"referencePolicy"`
		SearchInclude     []string              `json:"searchInclude,omitempty"`
		SearchRevInclude  []string              `json:"searchRevInclude,omitempty"`
		SearchParam       []capabilityParam     `json:"searchParam"`
		Operation         []capabilityOperation `json:"operation,omitempty"`
	}
	capabilityParam struct {
		Name          string `json:"name"`
		Definition    string `json:"definition,omitempty"`
		Type          string `json:"type"`
		Documentation string `json:"documentation,omitempty"`
	}
)

// describe makes the statement from the routes and the search parameters
// there are, so that it cannot say what is not so.
func (h *handler) describe(s *datastore.Store, c *capability) capabilityStatement {
	var instantiates []string
	if h.Bulk != nil {
		instantiates = []string{bulkCapability}
	}
	return capabilityStatement{
		ResourceType: "CapabilityStatement", URL: s.Base() + "/metadata",
		Name: "Tarn", Title: "Tarn FHIR data store", Status: "active",
		Date: h.started.Format(fhir.TimeLayout), Kind: "instance", Instantiates: instantiates,
		Software:       capabilitySoftware{"Tarn", h.Version},
		Implementation: capabilityImplementation{"FHIR data store " + s.Record().ID, s.Base()},
		FHIRVersion:    "4.0.1",
		Format:         []string{mimeFHIR, mimeXML, "application/json", "application/xml", "json", "xml"},
		PatchFormat:    patchFormats,
		Guides:         c.guides.ImplementationGuides(),
		Rest: []capabilityRest{{
			Mode: "server", Security: describeSecurity(c.security),
			Resource:    h.describeResources(s, c),
			Interaction: append(h.interactionsAt(levelSystem, levelSystemSearch, levelSystemHistory), capabilityCode{"transaction"}),
			SearchParam: resultParams,
			Operation:   h.describeOperations(s, ""),
			Compartment: describeCompartments(s),
		}},
	}
}

// describeCompartments lists the definitions of the compartments that can be
// searched in.
func describeCompartments(s *datastore.Store) []string {
	var urls []string
	for _, t := range s.Definitions().Schema.Types {
		if s.Definitions().Compartment(t.Name) != nil {
			urls = append(urls, "http://hl7.org/fhir/CompartmentDefinition/"+strings.ToLower(t.Name))
		}
	}
	slices.Sort(urls)
	return urls
}

// describeOperations lists the operations of a resource type, or with "" those
// of the whole data store.
func (h *handler) describeOperations(s *datastore.Store, resourceType string) []capabilityOperation {
	var all []capabilityOperation
	for i := range h.operations {
		o := &h.operations[i]
		if resourceType == "AuditEvent" && o.erases {
			continue // datastore.Store.Erase refuses them
		}
		if resourceType == "" && slices.Contains(o.levels, levelSystem) || resourceType != "" && o.offeredOn(resourceType) && !slices.Equal(o.levels, []level{levelSystem}) {
			all = append(all, capabilityOperation{o.code, o.url(s, resourceType)})
		}
	}
	return all
}

// changes reports whether an operation changes what is stored.
func (h *handler) changes(code string) bool {
	return slices.ContainsFunc(h.operations, func(o operation) bool { return o.code == code && o.affectsState })
}

// interactionsAt lists the interactions of some levels, each once.
func (h *handler) interactionsAt(levels ...level) []capabilityCode {
	var codes []capabilityCode
	for key, i := range h.routes {
		if slices.Contains(levels, key.level) && !slices.Contains(codes, capabilityCode{i.name}) {
			codes = append(codes, capabilityCode{i.name})
		}
	}
	slices.SortFunc(codes, func(a, b capabilityCode) int { return strings.Compare(a.Code, b.Code) })
	return codes
}

// onlyRead takes what changes resources out of the description of a type.
func (c *capabilityResource) onlyRead() {
	var reads []capabilityCode
	for _, i := range c.Interaction {
		switch authz.Interaction(i.Code) {
		case authz.Create, authz.Update, authz.Patch, authz.Delete:
		default:
			reads = append(reads, i)
		}
	}
	c.Interaction, c.UpdateCreate, c.ConditionalCreate, c.ConditionalUpdate, c.ConditionalDelete = reads, false, false, false, "not-supported"
}

// topicExtension names a topic that there may be Subscriptions to.
// http://hl7.org/fhir/uv/subscriptions-backport/STU1.1/StructureDefinition-capabilitystatement-subscriptiontopic-canonical.html
const topicExtension = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/capabilitystatement-subscriptiontopic-canonical"

func (c *capabilityResource) listTopics(topics []string) {
	for _, url := range topics {
		c.Extension = append(c.Extension, topicNamed{topicExtension, url})
	}
}

func (h *handler) describeResources(s *datastore.Store, c *capability) []capabilityResource {
	interactions := h.interactionsAt(levelType, levelTypeSearch, levelTypeHistory, levelInstance, levelInstanceHistory, levelVersion)
	params, referrers := searchable(s)
	var resources []capabilityResource
	for _, t := range s.Definitions().Schema.Types {
		if t.Kind != fhir.KindResource {
			continue
		}
		resource := capabilityResource{
			Type: t.Name, Profile: "http://hl7.org/fhir/StructureDefinition/" + t.Name, Supported: c.supported(t.Name),
			Interaction: interactions, Versioning: "versioned",
			ReadHistory: true, UpdateCreate: true,
			ConditionalCreate: true, ConditionalRead: "full-support",
			ConditionalUpdate: true, ConditionalDelete: "multiple",
			ReferencePolicy: []string{"literal", "logical", "local"},
			Operation:       h.describeOperations(s, t.Name),
		}
		if h.Audit != nil && t.Name == "AuditEvent" {
			resource.onlyRead()
			resource.Operation = slices.DeleteFunc(resource.Operation, func(o capabilityOperation) bool { return h.changes(o.Name) })
		}
		if t.Name == "Subscription" {
			resource.listTopics(c.topics)
		}
		for _, p := range params[t.Name] {
			resource.SearchParam = append(resource.SearchParam, describeParam(p))
			if p.Type == definition.ParamReference {
				resource.SearchInclude = append(resource.SearchInclude, t.Name+":"+p.Code)
			}
		}
		if len(resource.SearchInclude) > 0 {
			resource.SearchInclude = slices.Insert(resource.SearchInclude, 0, "*")
		}
		resource.SearchRevInclude = slices.Concat([]string{"*"}, referrers[""], referrers[t.Name])
		slices.Sort(resource.SearchRevInclude)
		resources = append(resources, resource)
	}
	slices.SortFunc(resources, func(a, b capabilityResource) int { return strings.Compare(a.Type, b.Type) })
	return resources
}

// searchable lists by resource type the search parameters that are offered,
// sorted, and by target the references that lead to it ("" for those to any).
func searchable(s *datastore.Store) (params map[string][]*definition.SearchParameter, referrers map[string][]string) {
	params, referrers = map[string][]*definition.SearchParameter{}, map[string][]string{}
	for _, param := range s.Registry().Params {
		p := param.Def
		if p == nil {
			continue // a mark
		}
		params[param.Type] = append(params[param.Type], p)
		if p.Type != definition.ParamReference {
			continue
		}
		if len(p.Target) == 0 {
			referrers[""] = append(referrers[""], param.Type+":"+p.Code)
		}
		for _, to := range p.Target {
			referrers[to] = append(referrers[to], param.Type+":"+p.Code)
		}
	}
	for _, list := range params {
		slices.SortFunc(list, func(a, b *definition.SearchParameter) int { return strings.Compare(a.Code, b.Code) })
	}
	return params, referrers
}

// resultParams are the parameters that say what an answer holds, and those that
// hold for every type without a definition of their own.
// http://hl7.org/fhir/R4/search.html#result
var resultParams = []capabilityParam{
	{Name: "_contained", Type: "token", Documentation: "true: resources inside others; both: these and resources by themselves; false"},
	{Name: "_containedType", Type: "token", Documentation: "container or contained: what the answer shows of a match inside a resource"},
	{Name: "_count", Type: "number", Documentation: "matches on a page, 0 to 1000; 0 asks for the total only"},
	{Name: "_elements", Type: "string", Documentation: "names of top-level elements; also of read, vread and history"},
	{Name: "_explain", Type: "token", Documentation: "true: how the search was answered, step by step, as the first entry; also the header X-Explain"},
	{Name: "_filter", Type: "special", Documentation: "an expression over the search parameters of the type"},
	{Name: "_has", Type: "string", Documentation: "_has:Type:reference:parameter, also nested: resources that are referred to"},
	{Name: "_include", Type: "string", Documentation: "Source:parameter, Source:parameter:Target, Source:* or *; with :iterate also of what includes add"},
	{Name: "_list", Type: "string", Documentation: "the id of a List: resources that it holds"},
	{Name: "_maxresults", Type: "number", Documentation: "how many matches all pages together have at most"},
	{Name: "_revinclude", Type: "string", Documentation: "as _include"},
	{Name: "_sort", Type: "string", Documentation: "search parameters, with - before one for descending order; _score by itself, of a search with _text or _content"},
	{Name: "_summary", Type: "string", Documentation: "true, text, data, count or false; also of read, vread and history, count excepted"},
	{Name: "_total", Type: "string", Documentation: "none, estimate or accurate"},
	{Name: "_type", Type: "string", Documentation: "resource types, of a search of the whole data store"},
}

var paramTypeNames = map[definition.ParamType]string{
	definition.ParamNumber: "number", definition.ParamDate: "date", definition.ParamString: "string",
	definition.ParamToken: "token", definition.ParamReference: "reference", definition.ParamComposite: "composite",
	definition.ParamQuantity: "quantity", definition.ParamURI: "uri", definition.ParamSpecial: "special",
}

func describeParam(p *definition.SearchParameter) capabilityParam {
	return capabilityParam{Name: p.Code, Definition: p.URL, Type: paramTypeNames[p.Type], Documentation: p.Description}
}
