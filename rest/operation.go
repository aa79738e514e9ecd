package rest

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
)

// An operation is one row of the operation table.
// http://hl7.org/fhir/R4/operations.html
type operation struct {
	code string // without the $
	// on lists the resource types that have the operation; empty for all.
	on []string
	// levels is where it can be called: levelSystem, levelType,
	// levelInstance, levelVersion.
	levels []level
	// affectsState keeps GET from calling it.
	affectsState bool
	// erases is set where AuditEvents are exempt.
	erases bool
	// definition is the canonical URL of an OperationDefinition that is not
	// one of R4's own.
	definition string
	// begins keeps HEAD from calling it: GET makes a job, and HEAD is to do
	// nothing. https://www.rfc-editor.org/rfc/rfc9110#section-9.2.1
	begins bool
	// ownBody is set where serve reads the body itself.
	ownBody bool
	// judges is set where a body that does not parse is for the operation to
	// answer, as arguments.broken.
	judges bool
	serve  func(w http.ResponseWriter, r *request, in *arguments) error
}

// operations is every operation that is offered; each is in a file of its own.
func operations() []operation {
	return []operation{
		closureOperation(),
		diffOperation(),
		docrefOperation(),
		documentOperation(),
		encounterEverythingOperation(),
		eraseOperation(),
		expandOperation(),
		expungeOperation(),
		findMatchesOperation(),
		graphqlOperation(),
		groupEverythingOperation(),
		lastnOperation(),
		lookupOperation(),
		matchOperation(),
		memberAddOperation(),
		memberRemoveOperation(),
		metaOperation(),
		metaAddOperation(),
		metaDeleteOperation(),
		patientEverythingOperation(),
		processMessageOperation(),
		purgeOperation(),
		reindexOperation(),
		reindexStatusOperation(),
		statsOperation(),
		subsumesOperation(),
		translateOperation(),
		validateCodeOperation(),
		validateOperation(),
	}
}

func (o *operation) offeredOn(resourceType string) bool {
	return len(o.on) == 0 || slices.Contains(o.on, resourceType)
}

// methods are the methods by which the operation may be called.
func (o *operation) methods() []string {
	switch {
	case o.affectsState:
		return []string{http.MethodPost, http.MethodOptions}
	case o.begins:
		return []string{http.MethodGet, http.MethodPost, http.MethodOptions}
	}
	return []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodOptions}
}

// url is the canonical URL of the operation's definition.
func (o *operation) url(s *datastore.Store, resourceType string) string {
	if o.definition != "" {
		return o.definition
	}
	for _, d := range s.Definitions().Operations {
		if d.Code == o.code && (slices.Contains(d.Resource, resourceType) || slices.Contains(d.Resource, "Resource")) {
			return d.URL
		}
	}
	return s.Base() + "/OperationDefinition/" + o.code
}

// cutOperation takes "$code", which must be last, off a path.
func cutOperation(parts []string) (rest []string, code string, err error) {
	at := slices.IndexFunc(parts, func(p string) bool { return strings.HasPrefix(p, "$") })
	switch {
	case at < 0:
		return parts, "", nil
	case at < len(parts)-1:
		return nil, "", fhir.Errorf(fhir.KindNotFound, "nothing is below the operation %s", parts[at])
	}
	return parts[:at], parts[at][1:], nil
}

// routeOperation finds the operation that a request calls.
func (r *request) routeOperation() error {
	r.interaction = "operation"
	o, err := r.findOperation()
	if err != nil {
		return err
	}
	r.interaction = "$" + o.code
	method := r.method
	if r.isHead() {
		method = http.MethodHead
	}
	if !slices.Contains(o.methods(), method) || method == http.MethodOptions {
		return fhir.Errorf(fhir.KindMethodNotAllowed, "$%s cannot be called by %s; allowed are %s", o.code, method, strings.Join(o.methods(), ", "))
	}
	r.serve = func(w http.ResponseWriter, r *request) error {
		in, err := r.readArguments(o.ownBody)
		switch {
		case err != nil:
			return err
		case in.broken != nil && !o.judges:
			return in.broken
		}
		return o.serve(w, r, in)
	}
	return nil
}

func (r *request) findOperation() (*operation, error) {
	for i := range r.h.operations {
		if o := &r.h.operations[i]; o.code == r.operation && r.meant(o) {
			if slices.Contains(o.levels, r.level) {
				return o, nil
			}
			return nil, fhir.Errorf(fhir.KindInvalid, "$%s is not offered here; call it as %s", o.code, strings.Join(o.places(), " or "))
		}
	}
	return nil, r.noOperation()
}

// meant reports whether an operation is the one of its code that a request calls.
func (r *request) meant(o *operation) bool {
	if r.level == levelSystem && !slices.Contains(o.levels, levelSystem) {
		return false
	}
	return r.resourceType == "" || o.offeredOn(r.resourceType)
}

// noOperation says why there is none, and what there is.
func (r *request) noOperation() error {
	var codes, elsewhere []string
	for i := range r.h.operations {
		o := &r.h.operations[i]
		codes = append(codes, o.code)
		if o.code == r.operation {
			elsewhere = append(elsewhere, o.places()...)
		}
	}
	switch {
	case len(elsewhere) > 0 && r.level == levelSystem:
		return fhir.Errorf(fhir.KindInvalid, "$%s is not offered here; call it as %s", r.operation, strings.Join(elsewhere, " or "))
	case len(elsewhere) > 0:
		return fhir.Errorf(fhir.KindNotFound, "$%s is not offered on %s; call it as %s", r.operation, r.resourceType, strings.Join(elsewhere, " or "))
	}
	hint := ""
	if near := fhir.Nearest(r.operation, codes); near != "" {
		hint = "; did you mean $" + near + "?"
	}
	return fhir.Errorf(fhir.KindNotFound, "the operation $%s is not offered here; [base]/metadata lists what is%s", r.operation, hint)
}

// places are the URLs at which the operation can be called.
func (o *operation) places() []string {
	on := o.on
	if len(on) == 0 {
		on = []string{"[type]"}
	}
	var all []string
	for _, l := range o.levels {
		if l == levelSystem {
			all = append(all, "[base]/$"+o.code)
			continue
		}
		below := map[level]string{levelType: "", levelInstance: "/[id]", levelVersion: "/[id]/_history/[version]"}[l]
		for _, t := range on {
			all = append(all, "[base]/"+t+below+"/$"+o.code)
		}
	}
	return all
}

// arguments are the parameters that an operation is called with.
type arguments struct {
	r *request
	// pairs are those of the URL, then the primitive ones of the body.
	pairs []search.Pair
	// parameters is the body's Parameters resource; absent where there is none.
	parameters fhir.Node
	// body is a resource of another type that was sent as it is.
	body *fhir.Tree
	// broken is why the body cannot be parsed.
	broken error
}

// readArguments reads the query and, unless ownBody is set, the body of a call.
func (r *request) readArguments(ownBody bool) (*arguments, error) {
	in := &arguments{r: r, pairs: without(r.query, "_format", "_pretty")}
	if r.tree != nil {
		in.take(r.tree)
	}
	if r.method != http.MethodPost || r.http == nil || r.http.ContentLength == 0 || ownBody {
		return in, nil
	}
	if isForm(r.header.Get("Content-Type")) {
		pairs, err := r.searchPairs()
		in.pairs = pairs
		return in, err
	}
	src, err := r.readFHIR()
	if err != nil {
		return nil, err
	}
	tree, err := r.parse(src)
	if err != nil {
		in.broken = err
		return in, nil
	}
	in.take(tree)
	return in, nil
}

// take makes the body's resource part of the arguments.
func (in *arguments) take(tree *fhir.Tree) {
	if tree.Root().Type().Name != "Parameters" {
		in.body = tree
		return
	}
	in.parameters = tree.Root()
	for p := range in.parameters.Each("parameter") {
		if v := p.Child("value"); v.HasValue() {
			in.pairs = append(in.pairs, search.Pair{Name: p.TextOf("name"), Value: v.Text()})
		}
	}
}

// only refuses arguments of other names than these.
func (in *arguments) only(names ...string) error {
	if in.r.prefer.lenient {
		return nil
	}
	unknown := func(name string) error {
		return fhir.Errorf(fhir.KindInvalid, "%s has no parameter %q; it has %s", in.r.interaction, name, cmp.Or(strings.Join(names, ", "), "none"))
	}
	for _, p := range in.pairs {
		if !slices.Contains(names, p.Name) {
			return unknown(p.Name)
		}
	}
	for p := range in.parameters.Each("parameter") {
		if name := p.TextOf("name"); !slices.Contains(names, name) {
			return unknown(name)
		}
	}
	return nil
}

// text is the value of a primitive argument, "" where it is not given.
func (in *arguments) text(name string) string {
	value, _ := valueOf(in.pairs, name)
	return value
}

// texts are the values of a primitive argument that may repeat.
func (in *arguments) texts(name string) []string {
	var all []string
	for _, p := range in.pairs {
		if p.Name == name && p.Value != "" {
			all = append(all, p.Value)
		}
	}
	return all
}

// since is the argument _since, zero where it is not given.
func (in *arguments) since() (time.Time, error) {
	text := in.text("_since")
	if text == "" {
		return time.Time{}, nil
	}
	when, err := parsePeriod(search.Pair{Name: "_since", Value: text})
	return when.from, err
}

// flag is a boolean argument.
func (in *arguments) flag(name string) (bool, error) {
	switch text := in.text(name); text {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	default:
		return false, invalidParameter(name, "%q is not true or false", text)
	}
}

// number is a whole-number argument from 1 to greatest.
func (in *arguments) number(name string, otherwise, greatest int) (int, error) {
	text := in.text(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > greatest {
		return 0, invalidParameter(name, "%q is not a whole number from 1 to %d", text, greatest)
	}
	return n, nil
}

// node is the parameter with a name in the body.
func (in *arguments) node(name string) fhir.Node {
	for p := range in.parameters.Each("parameter") {
		if p.TextOf("name") == name {
			return p
		}
	}
	return fhir.Node{}
}

// resource is the resource that an operation is about: the parameter with a
// name, or the body itself.
func (in *arguments) resource(name string) *fhir.Tree {
	if in.body != nil {
		return in.body
	}
	return in.node(name).Child("resource").Detach()
}
