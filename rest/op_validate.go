package rest

import (
	"errors"
	"net/http"
	"slices"

	"github.com/tarnhealth/tarn/fhir"
)

// validateOperation is $validate: it says what a write of the resource would
// be refused or warned for. It answers 200 with an OperationOutcome whatever
// it finds. http://hl7.org/fhir/R4/resource-operation-validate.html
func validateOperation() operation {
	return operation{
		code: "validate", levels: []level{levelType, levelInstance}, judges: true,
		serve: func(w http.ResponseWriter, r *request, in *arguments) error {
			issues, err := r.validate(in)
			if err != nil {
				return err
			}
			return r.writeJSON(w, http.StatusOK, fhir.AppendOutcome(nil, issuesOr(issues, allOK)))
		},
	}
}

func (r *request) validate(in *arguments) ([]fhir.Issue, error) {
	if err := in.only("resource", "mode", "profile"); err != nil {
		return nil, err
	}
	mode, profile := in.text("mode"), in.text("profile")
	if !slices.Contains([]string{"", "create", "update", "delete", "profile"}, mode) {
		return nil, invalidParameter("mode", "%q is not one of create, update, delete and profile", mode)
	}
	if mode == "profile" && profile == "" {
		return nil, invalidParameter("profile", "the mode profile needs the canonical URL of one")
	}
	var broken *fhir.Error
	if errors.As(in.broken, &broken) && broken.Kind == fhir.KindInvalid {
		return broken.Issues, nil
	}
	if in.broken != nil {
		return nil, in.broken
	}
	tree := in.resource("resource")
	if r.level == levelInstance && (tree == nil || mode == "delete") {
		stored, err := r.stored()
		if err != nil || mode == "delete" {
			return nil, err
		}
		return r.against(stored, profile)
	}
	if tree == nil {
		return nil, fhir.Errorf(fhir.KindInvalid, "$validate needs a resource: the body itself, or the parameter resource of a Parameters")
	}
	return r.validateSent(tree, mode, profile)
}

// against validates by one profile, or where there is none by those that the
// resource declares.
func (r *request) against(tree *fhir.Tree, profile string) ([]fhir.Issue, error) {
	if profile == "" {
		return r.store.Validate(tree), nil
	}
	return r.store.ValidateAgainst(r.ctx, r.access, tree, profile)
}

// stored is the resource of the request's URL, as it is now.
func (r *request) stored() (*fhir.Tree, error) {
	if !fhir.ValidID(r.id) {
		return nil, r.noSuchID()
	}
	view, done, err := r.openView(0)
	if err != nil {
		return nil, err
	}
	defer done()
	v, err := view.Read(r.ctx, r.resourceType, r.id)
	if err != nil {
		return nil, err
	}
	return r.store.Read(v)
}

func (r *request) validateSent(tree *fhir.Tree, mode, profile string) ([]fhir.Issue, error) {
	root := tree.Root()
	var issues []fhir.Issue
	wrong := func(format string, args ...any) {
		var e *fhir.Error
		if errors.As(invalidParameter("resource", format, args...), &e) {
			issues = append(issues, e.At(root.Path()).Issues...)
		}
	}
	if got := root.Type().Name; got != r.resourceType {
		wrong("it is of type %s, but the URL names %s", got, r.resourceType)
	}
	id := root.TextOf("id")
	switch {
	case r.level == levelInstance && id != r.id:
		wrong("its id is %q, but the URL names %q", id, r.id)
	case mode == "update" && id == "":
		wrong("an update needs an id")
	}
	more, err := r.against(tree, profile)
	return append(issues, more...), err
}
