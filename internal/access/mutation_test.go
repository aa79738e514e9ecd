package access

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A mutation takes the effect of one enforcing line away.
type mutation struct{ file, line, without string }

// mutations are the lines that enforce something.
var mutations = []mutation{
	{"datastore/guard.go", "return g.allows(ctx, i, c)\n}\n\n// candidate", "_, err = g.allows(ctx, i, c)\nreturn true, err\n}\n\n// candidate"},
	{"datastore/guard.go", "&& !g.access.BySecurityContext(i, v.Type) {\n\t\treturn false, nil", "&& !g.access.BySecurityContext(i, v.Type) {\n\t\treturn true, nil"},
	{"datastore/guard.go", `ref.Kind != fhir.RefRelative || ref.Type == "Binary"`, `ref.Kind != fhir.RefRelative`},
	{"datastore/guard.go", "case v.Deleted():\n\t\treturn false, nil", "case v.Deleted():"},
	{"datastore/guard.go", "return g.shows(ctx, i, &v)", "return true, nil"},
	{"datastore/guard.go", "return ok && where == nil && !g.access.BySecurityContext(i, resourceType)", "return ok && where == nil"},
	{"datastore/guard.go", "free, ok := g.access.ByItself(i, binary)\n\tif !ok {", "free, ok := g.access.ByItself(i, binary)\n\tif false && !ok {"},
	{"datastore/guard.go", "return !hidden && err == nil, err", "_ = hidden\nreturn true, err"},
	{"datastore/guard.go", "return free && g.seesAbsent(i, ref), nil", "return free, nil"},
	{"datastore/view.go", "access, err := s.bound(ctx, access)", "err := error(nil)"},
	{"datastore/commit.go", "access, err := s.bound(ctx, access)", "err := error(nil)"},
	{"store/watch.go", "defer w.noticeOps(ops)\n\treturn w.Store.Commit", "return w.Store.Commit"},
	{"datastore/consented/consented.go", "case roleType, careTeamType, groupType:\n", ""},
	{"datastore/consented/consented.go", "(st.until.IsZero() || c.opt.Now().Before(st.until))", "true"},
	{"datastore/consented/who.go", "w.Known = caller.FHIRUser != \"\" ||", "w.Known = true || caller.FHIRUser != \"\" ||"},
	{"authz/access.go", "c = c.and(r.labels.of(r.registry, resourceType))", "_ = c.and(r.labels.of(r.registry, resourceType))"},
	{"authz/access.go", "c = c.and(when(search.Not{Node: hidden}))", "_ = c.and(when(search.Not{Node: hidden}))"},
	{"authz/access.go", "return false, false\n\t\t}\n\t}\n\twhere, free :=", "return true, true\n\t\t}\n\t}\n\twhere, free :="},
	{"authz/label.go", "hidden = append(hidden, ConfidentialitySystem+\"|\"+code)", "_ = code"},
	{"authz/label.go", "hidden = append(hidden, c.lacking...); len(hidden) > 0", "len(hidden) > 0"},
	{"authz/label.go", "if c.unlabelled {\n\t\treturn within", "if true {\n\t\treturn within"},
	{"authz/restrict.go", "if r.caller.Purpose == PurposeBreakGlass &&", "if false && r.caller.Purpose == PurposeBreakGlass &&"},
	{"authz/consent/set.go", "return all.deny.or(all.permit.not())", "return all.deny"},
	{"authz/consent/set.go", "hidden = hidden.or(about(slices.Compact(known), true))", "_ = slices.Compact(known)"},
	{"authz/consent/set.go", "hidden = hidden.or(about(ids, false).and(r.hides(a, resourceType, g)))", ""},
	{"authz/consent/set.go", "hidden := when(r.parts[a].all.About(r.registry, resourceType))", "hidden := never"},
	{"authz/consent/set.go", "if r.hides(a, \"\", g).ok {\n\t\t\t\thidden = append", "if false {\n\t\t\t\thidden = append"},
	{"authz/consent/stranger.go", "case nobody.hides(a, \"\", g).ok:", "case false && nobody.hides(a, \"\", g).ok:"},
	{"authz/consent/stranger.go", "now.Before(x.until)) {", "true) {"},
	{"authz/consent/rule.go", "got.deny = got.deny.or(got.permit.not())", ""},
	{"authz/consent/rule.go", "inner.deny, inner.permit = inner.deny.or(got.deny), inner.permit.or(got.permit)", "_ = got"},
	{"authz/consent/rule.go", "fit = fit.or(unknown)\n\t\t}\n\t\tasked", "}\n\t\tasked"},
	{"authz/consent/rule.go", "if q.who.Purpose == \"\" {\n\t\treturn unknown", "if q.who.Purpose == \"\" {\n\t\treturn known(always)"},
	{"datastore/guard_plan.go", "if err := x.see(authz.SearchSystem, part.Type); err != nil {", "if err := x.see(authz.SearchSystem, part.Type); false {"},
	{"datastore/guard_plan.go", "if err := x.access.Check(i, resourceType); err != nil {", "if err := x.access.Check(i, resourceType); false {"},
	{"datastore/guard_plan.go", "if x.access.BySecurityContext(i, resourceType) {", "if false {"},
	{"datastore/guard_plan.go", "return search.And{where, filter}, nil", "return where, nil"},
	{"datastore/guard_plan.go", "return filter, nil", "return nil, nil"},
	{"datastore/guard_plan.go", "return x.within(resourceType, where)\n}\n\n// any", "return where, x.see(authz.SearchType, resourceType)\n}\n\n// any"},
	{"datastore/guard_plan.go", "return n, x.see(authz.SearchType, n.By.Type)", "return n, nil"},
	{"datastore/guard_plan.go", "inner, err := x.node(n.Node)\n", "inner, err := n.Node, error(nil)\n"},
	{"datastore/guard_plan.go", "where, err := x.join(n.Target, n.Where)", "where, err := n.Where, error(nil)"},
	{"datastore/guard_plan.go", "where, err := x.join(n.Param.Type, n.Where)", "where, err := n.Where, error(nil)"},
	{"datastore/guard_plan.go", "if out[i], err = x.node(n[i]); err != nil {", "if out[i] = n[i]; err != nil {"},
	{"datastore/guard_plan.go", "m, err := x.node(m)", "err := error(nil)"},
	{"datastore/guard_plan.go", "x.narrowed = true\n\tif where == nil", "if where == nil"},
	{"datastore/guard_plan.go", "refused, x.narrowed = err, true\n\t\t\tcontinue", "refused = err\n\t\t\tcontinue"},
	{"datastore/guard_plan.go", "refused, x.narrowed = err, true\n\t\tdefault", "refused = err\n\t\tdefault"},
	{"datastore/view.go", "plan, err := v.confine(asked)", "plan, err := confined{plan: asked}, error(nil)"},
	{"datastore/view.go", "if page.Explain && plan.narrowed {", "if false {"},
	{"datastore/view.go", "if err := v.access.Check(authz.Read, resourceType); err != nil {", "if false {\nvar err error"},
	{"datastore/view.go", "if err := v.access.Check(authz.VRead, resourceType); err != nil {", "if false {\nvar err error"},
	{"datastore/view.go", "case !shown:", "case false && !shown:"},
	{"datastore/history.go", "if err := v.access.Check(interaction, q.Type); err != nil {", "if false {\nvar err error"},
	{"datastore/history.go", "if err := v.hasHistory(ctx, interaction, q.Type, q.ID); err != nil {", "if false {\nvar err error"},
	{"datastore/history.go", "return v.shown(ctx, interaction, v.view.History(ctx, q), 0), nil", "return v.view.History(ctx, q), nil"},
	{"datastore/history.go", "return v.shown(ctx, interaction, v.view.History(ctx, q), limit), nil", "_ = limit\nreturn v.view.History(ctx, q), nil"},
	{"authz/confine.go", "if resourceType == personType && i.writes() && p.persons {", "if false {"},
	{"datastore/linked/linked.go", "l.writes.Add(1)", "_ = l"},
	{"store/watch.go", "w.notice(e.Type, e.ID)", "_ = w"},
	{"datastore/linked/targets.go", `if person.TextOf("active") == "false" || person`, "if person"},
	{"datastore/linked/targets.go", "if assurance(link) < t.least || link", "if link"},
	{"datastore/linked/targets.go", "if is {", "if is || true {"},
	{"datastore/linked/linked.go", "err != nil || tree.Root().TextOf(\"active\") == \"false\" {", "err != nil {"},
	{"datastore/history.go", "shown, err = v.shows(ctx, i, &version)", "shown = true"},
	{"datastore/commit.go", "if err := c.access.Check(interaction, op.Type); err != nil {", "if false {\nvar err error\n_ = interaction"},
	{"datastore/commit.go", "if err := x.mayStore(ctx); err != nil {", "if false {\nvar err error"},
	{"datastore/authorize.go", "all = append(all, authz.Read)", ""},
	{"datastore/authorize.go", "return false, notToUpdate(op)", "return true, nil"},
	{"datastore/authorize.go", "case op.IfMatch != \"\":\n\t\treturn false, versionMismatch(op, st.op.ID)", ""},
	{"datastore/authorize.go", "seen, err = x.mayWrite(ctx, i, &current)\n\t}\n\tswitch {\n\tcase err != nil &&", "seen, _ = true, current\n\t}\n\tswitch {\n\tcase err != nil &&"},
	{"datastore/authorize.go", "case op.Interaction == authz.Patch && !readable:\n\t\treturn false, nil", ""},
	{"datastore/authorize.go", "case !allowed && !readable:\n\t\treturn false, nil", ""},
	{"datastore/authorize.go", "case !allowed:\n\t\treturn true, refusal(op.Interaction, v.Type+\"/\"+v.ID)", ""},
	{"datastore/authorize.go", "case st.op.IfVersion != 0 && st.op.IfVersion != v.Number:", "case false:"},
	{"datastore/authorize.go", "if err == nil && !seen {", "if false && !seen {"},
	{"datastore/authorize.go", "case !allowed:\n\t\t\trefused = append(refused, i)", "case false && !allowed:"},
	{"datastore/after.go", "for _, i := range left {", "for _, i := range left[:0] {"},
	{"datastore/after.go", "if _, changed := g.after[search.Reference{Type: v.Type, ID: v.ID}]; changed {", "if false {"},
	{"datastore/after.go", "return g.allows(ctx, i, c)", "return true, nil"},
	{"datastore/expand.go", "_, err = x.mayWriteNamed(ctx, i)", "err = nil"},
	{"datastore/expand.go", "if err := x.mayWriteMatch(ctx, i, &matches[0]); err != nil {", "if false {\nvar err error"},
	{"datastore/expand.go", "if !x.open(op) && !x.commit.access.ChoosesIDs(op.Type) {", "if false {"},
	{"datastore/expand.go", "plan, err := g.confine(search.Plan{Parts: []search.Part{part}})", "plan, err := confined{plan: search.Plan{Parts: []search.Part{part}}}, error(nil)"},
	{"datastore/patch.go", "seen, err = x.mayWrite(ctx, i, &current)", "seen = true"},
	{"datastore/replay.go", "if !allowed {", "if false && !allowed {"},
	{"datastore/replay.go", "if caller != \"\" {", "if false {"},
	{"datastore/cursor.go", "if !hmac.Equal(plain[:callerSize], c.tag()) {", "if false {"},
	{"datastore/cursor.go", "c.caller = access.Identity()", "_ = access"},
	{"datastore/terminology.go", "f.store.View(f.ctx, f.access, 0)", "f.store.View(f.ctx, authz.Unrestricted(), 0)"},
	{"datastore/terminology.go", "if _, there, wrong := all.found(resourceType, url); wrong != nil || !there {", "if true {\nvar wrong error"},
	{"datastore/erase.go", "return x.access.Check(authz.Erase, resourceType)", "return nil"},
	{"datastore/erase.go", "if err == nil && !allowed {\n\t\terr = refusal(", "if false && !allowed {\n\t\terr = refusal("},
	{"datastore/erase.go", "return x.view.shows(ctx, authz.Erase, &v)", "_ = v\nreturn true, nil"},
	{"datastore/erase.go", "if allowed, err := x.view.shows(ctx, authz.Erase, &v); !allowed || err != nil {", "_ = v\nif allowed, err := true, error(nil); !allowed || err != nil {"},
	{"datastore/expunge.go", "if allowed, err := b.mayErase(ctx, e); !allowed || err != nil {", "if allowed, err := true, error(nil); !allowed || err != nil {"},
	{"datastore/purge.go", "err = p.reaches()", "err = nil"},
	{"datastore/purge.go", "if !p.view.open(i, resourceType) {", "if false {"},
	{"datastore/params_reindex.go", "if err := mayAll(access, authz.Read, searchParameter); err != nil {", "if false {\nvar err error"},
	{"datastore/params_reindex.go", "if err := mayAll(access, authz.Update, searchParameter); err != nil {", "if false {\nvar err error"},
	{"datastore/params_reindex.go", "g.open(i, resourceType) {", "g.open(i, resourceType) && false {"},
	{"datastore/params_reindex.go", "if !access.All(authz.SearchType) {", "if false {"},
	{"datastore/bulk_read.go", "plan, err := v.plan(ctx, search.Plan{Parts: q.Parts})", "plan, err := confined{plan: search.Plan{Parts: q.Parts}}, error(nil)"},
	{"datastore/bulk_read.go", "shown, err = v.shows(ctx, authz.SearchType, &version)", "shown = true"},
	{"datastore/bulk_write.go", "access, err := w.store.bound(ctx, w.access)", "access, err := w.access, error(nil)"},
	{"datastore/bulk_write.go", "|| !g.open(kind, o.Type) {", "|| !g.open(kind, o.Type) && false {"},
	{"authz/access.go", "if resourceType == auditType && (i.writes() || !r.has(RoleAuditor)) {", "if false {"},
	{"authz/access.go", "if i == Erase && level != LevelSystem && !r.has(RoleAdmin) {", "if false {"},
	{"authz/access.go", "union = union.or(asked.and(r.reach(level, i, resourceType)))", "union = union.or(asked)"},
	{"authz/access.go", "within = r.patient.of(i, resourceType)", "within = always"},
	{"authz/access.go", "within = r.user.of(i, resourceType)", "within = always"},
	{"authz/access.go", "union = union.or(rules.and(within))", "union = union.or(within)"},
	{"authz/access.go", "if s.Level == level && s.Actions&i.action() != 0 && (s.Type", "if s.Level == level && (s.Type"},
	{"authz/confine.go", "if i.writes() && (!p.writesShared || resourceType == ownRole) {", "if false {"},
	{"authz/confine.go", "case namesOthers[resourceType]:\n\t\treturn none", "case false:\n\t\treturn none"},
	{"authz/confine.go", "return c.a.of(i, resourceType).and(c.b.of(i, resourceType))", "return c.a.of(i, resourceType)"},
	{"authz/confine.go", "if resourceType == p.own && !i.writes() {", "if resourceType == p.own {"},
	{"authz/decide.go", "if policy.Tenant != \"\" && caller.Tenant != policy.Tenant {", "if false {"},
	{"authz/decide.go", "if levels[LevelSystem] && (levels[LevelPatient] || levels[LevelUser]) {", "if false {"},
	{"authz/decide.go", "if p, ok := r.user.(*patients); ok && p.writesShared {", "if p, ok := r.user.(*patients); false && ok && p.writesShared {"},
	{"authz/role.go", "fits := (len(rule.Interactions) == 0 || slices.Contains(rule.Interactions, i)) &&", "fits := (true || slices.Contains(rule.Interactions, i)) &&"},
	{"authz/relation.go", "search.Pair{Name: \"status\", Value: \"active\"}),", "),"},
	{"authz/access.go", "role.unconfined && level == LevelUser {", "role.unconfined {"},
	{"authz/access.go", "if where, ok := a.Filter(i, p.Type); !ok || where != nil {", "if where, ok := a.Filter(i, p.Type); false && (!ok || where != nil) {"},
	{"authz/decide.go", "if !fhir.ValidID(caller.Patient) {", "if false {"},
	{"authz/decide.go", "if needed && !r.unconfined() {", "if false {"},
	{"authz/relation.go", ", search.Pair{Name: \"status:not\", Value: \"cancelled,entered-in-error\"}", ""},
	{"authz/relation.go", "if !r.policy.Links {", "if false {"},
	{"authz/confine.go", "if i.writes() && (!p.writesShared || resourceType == ownRole) {", "if i.writes() && !p.writesShared {"},
	{"bearer/bearer.go", "if claims.Certificate != \"\" && !hasCertificate(r, claims.Certificate) {", "if false {"},
	{"bearer/bearer.go", "case bound != (c.scheme == schemeDPoP):", "case false:"},
	{"bearer/bearer.go", "subtle.ConstantTimeCompare([]byte(thumbprint), []byte(claims.Thumbprint)) != 1", "subtle.ConstantTimeCompare([]byte(thumbprint), []byte(claims.Thumbprint)) == 2"},
	{"bearer/bearer.go", "if !again || a.recheck(r, ds, known) != nil {", "if !again {"},
	{"bearer/purpose.go", "case policy.Consent.Default == \"\", asked", "case true, asked"},
	{"rest/op_access_report.go", "who.Type != \"Patient\" || who.ID != r.id", "false"},
	{"rest/op_access_report.go", "access := r.access\n\t\t\tif shape != nil {", "access := r.access\n\t\t\tif true {"},
	{"rest/op_everything.go", "_, err := view.Read(r.ctx, \"Patient\", r.id)\n\t\t\t\treturn err", "return nil"},
	{"bulk/export_plan.go", "err = view.MayBulk(parts)", "err = nil"},
	{"bulk/export_time.go", "case bound.All(authz.SearchType):", "case bound.All(authz.SearchType) || true:"},
	{"bulk/http_export.go", "access, err := c.Store.Bind(c.Request.Context(), c.Access)", "access, err := c.Access, error(nil)"},
	{"bulk/http_export.go", "!ok || where != nil {\n\t\t\treturn fhir.Errorf(fhir.KindForbidden, \"the token allows less", "false && (!ok || where != nil) {\n\t\t\treturn fhir.Errorf(fhir.KindForbidden, \"the token allows less"},
	{"bulk/call.go", "if in.By != \"\" || subtle.ConstantTimeCompare([]byte(j.Owner), []byte(caller)) != 1 {", "if in.By != \"\" || subtle.ConstantTimeCompare([]byte(j.Owner), []byte(caller)) == 2 {"},
	{"rest/async_status.go", "subtle.ConstantTimeCompare([]byte(j.Owner), []byte(caller)) != 1", "caller == \"\\x00\" && subtle.ConstantTimeCompare(nil, nil) != 1"},
	{"rest/page.go", "case errors.Is(err, datastore.ErrCursorCaller):", "case false && errors.Is(err, nil):"},
	{"rest/async_status.go", "if err != nil || bytes.Equal(grant, ask.Grant) {", "if err != nil || len(grant) >= 0 || bytes.Equal(nil, nil) {"},
}

// isThere tests that a line is in its file, once.
func (m *mutation) isThere(t *testing.T) bool {
	t.Helper()
	src, err := os.ReadFile(filepath.Join("..", "..", m.file))
	if err != nil {
		t.Error(err)
		return false
	}
	n := strings.Count(string(src), m.line)
	if n != 1 {
		t.Errorf("%s has the line %q %d times", m.file, m.line, n)
	}
	return n == 1
}

// chosen reads TARN_MUTATIONS: which mutants are built and tested.
func chosen(t *testing.T) func(n int, m mutation) bool {
	which := os.Getenv("TARN_MUTATIONS")
	if which == "all" || which == "" {
		return func(int, mutation) bool { return which == "all" }
	}
	if which[0] < '0' || which[0] > '9' {
		return func(_ int, m mutation) bool { return strings.Contains(m.file, which) }
	}
	var ranges [][2]int
	for text := range strings.SplitSeq(which, ",") {
		first, last, ok := strings.Cut(text, "-")
		if !ok {
			last = first
		}
		from, err1 := strconv.Atoi(first)
		to, err2 := strconv.Atoi(last)
		if err1 != nil || err2 != nil || from > to {
			t.Fatalf("TARN_MUTATIONS=%s: %q is no place in the list, and no range of them with the lower number first", which, text)
		}
		ranges = append(ranges, [2]int{from, to})
	}
	return func(n int, _ mutation) bool {
		return slices.ContainsFunc(ranges, func(r [2]int) bool { return n >= r[0] && n <= r[1] })
	}
}

// TestEveryEnforcingLineIsMissed takes the lines out one by one and wants tests to
// fail: those of the line's own package, but for datastore, or, where none does,
// those that provenBy names and those of this package. All mutants of a package are
// built at once, see weave, and each runs against the tests that call its function,
// quick ones first.
//
// It runs where TARN_MUTATIONS is set: to "all", to a part of a file's name, or to
// places in the list, from 0 ("10-19,25"). Without it, only that each line
// is still there is tested. TARN_MUTATION_TESTS names the tests that are to fail,
// where not all are to run; TARN_MUTATION_EXEC is a command that runs the others, as
// go test's -exec.
func TestEveryEnforcingLineIsMissed(t *testing.T) {
	selected := chosen(t)
	folders := map[string][]mutant{}
	for _, m := range equivalent {
		if !m.isThere(t) {
			t.Logf("it changed nothing to be without it: %s", m.why)
		}
	}
	for n, m := range slices.Concat(mutations, outer) {
		if m.isThere(t) && selected(n, m) {
			folder := filepath.Dir(m.file)
			folders[folder] = append(folders[folder], mutant{m, n + 1})
		}
	}
	var left []mutant
	for _, folder := range slices.Sorted(maps.Keys(folders)) {
		mutants := folders[folder]
		if strings.HasPrefix(folder, "datastore") {
			left = append(left, mutants...)
			continue
		}
		left = append(left, try(t, mutants, "../../"+folder)...) // what is decided before a data store is asked
	}
	others := map[string][]mutant{}
	for _, m := range left {
		by := strings.Join(provenBy[m.file], " ")
		others[by] = append(others[by], m)
	}
	left = others[""]
	delete(others, "")
	for _, by := range slices.Sorted(maps.Keys(others)) {
		left = append(left, try(t, others[by], strings.Fields(by)...)...)
	}
	for _, m := range try(t, left, ".") {
		t.Errorf("%d: %s: nothing fails without %q", m.n-1, m.file, m.line)
	}
}
