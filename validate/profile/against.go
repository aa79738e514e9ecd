package profile

import "github.com/tarnhealth/tarn/fhir"

// Against reports where a resource breaks one profile, whether it declares that
// or not; what else it declares is not looked at. A profile that is not known is
// an error of KindNotFound, one that cannot be used or is for another type of
// KindUnprocessable.
func (r *Rules) Against(tree *fhir.Tree, canonical string, report func(fhir.Issue)) error {
	root := tree.Root()
	if r.isBase(canonical) {
		return nil
	}
	p, err := r.Profile(canonical)
	if err != nil {
		return err
	}
	if p.Type != root.Type().Name {
		return fhir.Errorf(fhir.KindUnprocessable, "the profile %s is for %s, not for %s", canonical, p.Type, root.Type().Name)
	}
	c := r.check(report)
	c.limit += stepsPerByte * len(root.Raw())
	c.home = p.asked
	c.element(root, p.root)
	return nil
}
