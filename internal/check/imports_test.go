package check

import (
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/tarnhealth/tarn/"

// imports is the import table of docs/architecture.md: what the code of each
// package (tests aside) may import of the project. A package that is not here
// may import nothing and may not exist.
var imports = map[string][]string{
	"fhir": {},
	"kv":   {},
	"blob": {},
	"ucum": {"fhir"},

	"durable": {},

	"definition":                {"fhir", "definition/internal/table", "definition/packed"},
	"definition/internal/table": {},
	"definition/internal/pack":  {"fhir", "definition", "definition/internal/table", "definition/packed"},
	"definition/packed":         {},

	"fhirpath": {"fhir", "definition", "ucum", "fhirpath/xhtml"},

	"fhirpath/xhtml": {"fhir"},
	"synth":          {"fhir"},

	"validate":                          {"fhir", "definition", "fhirpath"},
	"validate/invariant":                {"fhir", "definition", "fhirpath", "fhirpath/xhtml"},
	"terminology":                       {"fhir", "recall", "terminology/codebook", "terminology/concept", "terminology/release", "ucum"},
	"terminology/capabilities":          {"terminology", "terminology/codebook", "terminology/release"},
	"terminology/closure":               {"fhir", "kv", "terminology"},
	"terminology/codebook":              {"terminology/concept", "durable"},
	"terminology/concept":               {},
	"terminology/distribution":          {"fhir", "terminology/codebook", "terminology/concept"},
	"terminology/external":              {"fhir", "definition", "recall", "terminology"},
	"terminology/shelf":                 {"fhir", "terminology/codebook"},
	"terminology/release":               {"fhir", "definition", "definition/packed"},
	"terminology/release/internal/pack": {"definition/packed"},

	"validate/profile": {"fhir", "definition", "fhirpath", "terminology", "validate", "validate/invariant"},
	"guide":            {"fhir", "definition"},

	"guide/conformance": {"fhir", "definition", "guide", "guide/release", "guide/snapshot", "terminology", "validate/profile"},
	"guide/guidetest":   {"guide", "internal/published"},
	"guide/registry":    {"fhir", "guide"},
	"guide/release":     {"definition/packed"},
	"guide/snapshot":    {"fhir"},

	"guide/release/internal/pack": {"definition/packed"},

	"guide/shelf": {"fhir", "guide", "guide/conformance", "kv"},

	"search": {"fhir", "definition", "fhirpath", "search/chars", "search/compare", "search/decimal", "search/define", "search/filter", "search/fulltext", "search/geo", "search/literal", "search/need", "ucum"},

	"search/chars":    {},
	"search/compare":  {"fhir"},
	"search/decimal":  {"fhir"},
	"search/define":   {"fhir", "definition", "fhirpath"},
	"search/filter":   {"fhir"},
	"search/fulltext": {"fhir", "search/chars"},
	"search/geo":      {"fhir", "search/chars", "search/decimal", "ucum"},
	"search/literal":  {"search/chars"},
	"search/need":     {"fhir", "definition"},

	"search/terminology": {"fhir", "definition", "terminology"},
	"search/lookup":      {"fhir", "search", "search/fulltext"},

	"patch":  {"fhir", "definition", "fhirpath"},
	"store":  {"fhir", "definition", "search"},
	"binary": {"fhir", "kv", "blob", "store"},
	"authz":  {"fhir", "definition", "search"},

	"authz/consent": {"fhir", "definition", "search", "authz"},

	"pebble":                      {"fhir", "definition", "search", "store", "kv", "pebble/record", "pebble/internal/bulk", "pebble/internal/codec", "pebble/internal/column", "pebble/internal/engine", "pebble/internal/halt", "pebble/internal/hot", "pebble/internal/ingest", "pebble/internal/keyrange", "pebble/internal/lists", "pebble/internal/pairs", "pebble/internal/pin", "pebble/internal/posting", "pebble/internal/rank", "pebble/internal/recent", "pebble/internal/scrub", "pebble/internal/tidy"},
	"pebble/record":               {"kv", "pebble/internal/engine", "pebble/internal/halt"},
	"pebble/internal/bulk":        {"pebble/internal/ingest", "pebble/internal/posting", "search"},
	"pebble/internal/codec":       {"pebble/internal/posting"},
	"pebble/internal/column":      {"pebble/internal/posting"},
	"pebble/internal/engine":      {"fhir", "store", "pebble/internal/halt", "durable"},
	"pebble/internal/ingest":      {"pebble/internal/engine"},
	"pebble/internal/halt":        {},
	"pebble/internal/halt/faulty": {},
	"pebble/internal/hot":         {},
	"pebble/internal/keyrange":    {"pebble/internal/posting"},
	"pebble/internal/lists":       {"pebble/internal/posting", "search"},
	"pebble/internal/pairs":       {"pebble/internal/lists", "search"},
	"pebble/internal/pin":         {"pebble/internal/posting", "store"},
	"pebble/internal/scrub":       {"pebble/internal/engine", "pebble/internal/keyrange"},
	"pebble/internal/tidy":        {"pebble/internal/engine", "pebble/internal/ingest", "pebble/internal/keyrange"},
	"pebble/internal/posting":     {"search"},
	"pebble/internal/rank":        {"fhir", "pebble/internal/posting", "search"},
	"pebble/internal/recent":      {"fhir", "pebble/internal/posting", "search", "store"},

	"identity":  {"fhir"},
	"datastore": {"binary", "fhir", "identity", "kv", "definition", "fhirpath", "validate", "validate/invariant", "validate/profile", "validate/questionnaire", "search", "search/lookup", "search/terminology", "store", "terminology", "terminology/closure", "terminology/codebook", "guide/conformance", "authz", "audit", "datastore/consented", "datastore/defined", "datastore/linked"},

	"datastore/consented": {"fhir", "recall", "search", "store", "authz", "authz/consent"},
	"datastore/linked":    {"fhir", "recall", "search", "store", "authz"},
	"datastore/defined":   {"fhir", "recall", "search", "store", "terminology", "guide/conformance"},

	"subscription":          {"fhir", "kv", "search", "store", "authz", "patch", "validate", "datastore", "subscription/outbound"},
	"subscription/outbound": {},

	"graphql": {"fhir", "definition", "fhirpath", "search", "store", "datastore"},

	"rest": {"guide/conformance", "rest/answer", "binary", "fhir", "definition", "fhirpath", "validate", "patch", "terminology", "terminology/capabilities", "terminology/closure", "ucum", "search", "search/lookup", "store", "datastore", "authz", "graphql", "job", "audit", "bulk"},
	"load": {"fhir"},

	"crypt": {"durable"},

	"crypt/awskms":         {"crypt/keyring"},
	"crypt/awskms/kmstest": {},
	"crypt/keyring":        {"crypt", "crypt/seal", "durable"},
	"crypt/seal":           {},
	"crypt/seal/sealtest":  {"crypt/seal"},
	"crypt/sealfs":         {"crypt/seal"},

	"backup":   {"blob", "crypt", "crypt/seal", "durable"},
	"recall":   {},
	"page":     {},
	"profile":  {},
	"job":      {"kv"},
	"event":    {"kv"},
	"token":    {"kv", "crypt", "recall"},
	"audit":    {"fhir", "definition", "kv", "crypt/seal", "durable"},
	"throttle": {},
	"login":    {"kv", "crypt", "page", "login/saml"},
	"sigv4":    {"kv", "crypt"},
	"apikey":   {"fhir", "kv"},
	"smart":    {"throttle", "fhir", "kv", "recall", "definition", "search", "store", "authz", "crypt", "token", "login", "page", "datastore", "smart/about", "smart/client", "smart/limit", "smart/metadata", "smart/opaque", "smart/words"},

	"smart/about":    {"smart/client"},
	"smart/client":   {"fhir", "kv", "token", "smart/opaque"},
	"smart/limit":    {},
	"smart/metadata": {},
	"smart/opaque":   {},
	"smart/words":    {"authz", "page", "search"},

	"bulk/glance":   {},
	"bulk/inflight": {},
	"bulk/ndjson":   {},
	"bulk/newest":   {"authz", "datastore", "fhir", "search", "store"},
	"bulk/polling":  {"fhir"},
	"bulk/table":    {"fhir"},

	"bulk":       {"bulk/inflight", "bulk/ndjson", "bulk/newest", "bulk/polling", "bulk/table", "binary", "bulk/glance", "fhir", "kv", "blob", "job", "validate", "search", "store", "authz", "datastore", "synth", "durable"},
	"healthlake": {"fhir", "datastore", "sigv4", "authz", "bulk", "validate"},

	"bearer": {"throttle", "recall", "fhir", "search", "authz", "token", "apikey", "sigv4", "audit", "datastore"},

	"rest/answer":      {"fhir", "terminology", "terminology/closure"},
	"server/codes":     {"server/nearby", "server/settings", "terminology/external", "terminology", "terminology/codebook", "terminology/shelf"},
	"server":           {"console", "server/nearby", "server/repeat", "server/codes", "server/contents", "server/disks", "server/subscribing", "subscription", "fhir", "kv", "definition", "search", "store", "authz", "pebble", "datastore", "rest", "bearer", "synth", "job", "crypt", "token", "login", "smart", "smart/client", "profile", "audit", "blob/s3blob", "blob", "sigv4", "healthlake", "apikey", "identity", "recall", "bulk", "guide/shelf", "server/backups", "server/bulkjobs", "server/guides", "server/limits", "server/issuers", "server/lambda", "server/listen", "server/upstream", "server/settings", "server/timelimit", "server/tuning", "server/wire", "server/vault", "server/notify", "crypt/keyring", "server/admin", "server/roles", "validate"},
	"server/admin":     {"apikey", "authz", "backup", "bearer", "datastore", "fhir", "guide/conformance", "guide/shelf", "login", "server/backups", "server/explain", "server/guides", "server/vault", "sigv4", "smart", "token", "server/upstream", "server/roles", "server/subscribing", "login/saml"},
	"console":          {"apikey", "audit", "authz", "bulk", "datastore", "fhir", "guide/conformance", "guide/shelf", "login", "page", "server/admin", "server/guides", "server/nearby", "sigv4", "smart", "token"},
	"server/roles":     {"authz", "definition", "fhir", "healthlake", "kv", "search", "sigv4"},
	"login/saml":       {"kv", "crypt"},
	"server/upstream":  {"crypt", "fhir", "kv", "login", "server/settings", "server/nearby"},
	"server/guides":    {"fhir", "authz", "rest", "datastore", "guide/conformance", "guide/registry", "guide/shelf", "server/settings"},
	"server/backups":   {"server/repeat", "fhir", "kv", "store", "audit", "backup", "blob", "blob/s3blob", "crypt", "crypt/awskms", "crypt/keyring", "datastore", "pebble", "server/contents", "server/settings", "server/vault", "guide/shelf", "binary", "durable"},
	"server/explain":   {"fhir", "authz", "datastore"},
	"server/issuers":   {"identity", "token", "server/lambda"},
	"server/lambda":    {},
	"server/notify":    {"kv", "event", "datastore", "bulk", "server/nearby", "server/settings"},
	"server/limits":    {"authz", "bearer", "fhir", "graphql", "server/settings", "throttle", "token"},
	"server/listen":    {},
	"server/settings":  {},
	"server/vault":     {"server/repeat", "fhir", "crypt", "crypt/awskms", "crypt/keyring", "crypt/seal", "crypt/sealfs", "datastore", "server/settings", "durable"},
	"server/bulkjobs":  {"blob", "blob/s3blob", "bulk", "token", "server/settings", "blob/sealedblob", "crypt/seal"},
	"server/contents":  {"binary", "blob", "blob/sealedblob", "crypt/seal", "kv", "store", "server/settings"},
	"stack":            {"apikey", "datastore", "login", "sigv4", "smart", "server/admin", "guide", "guide/shelf", "server/guides", "server/upstream", "server/roles", "server/subscribing", "fhir"},
	"server/repeat":    {},
	"server/disks":     {"server/repeat", "pebble", "durable"},
	"server/timelimit": {},
	"server/nearby":    {"fhir"},
	"server/tuning":    {},
	"server/wire":      {},

	"server/subscribing": {"fhir", "authz", "bearer", "datastore", "login", "sigv4", "smart", "server/settings", "subscription", "subscription/outbound", "kv", "store", "validate"},

	"cmd/tarn": {"login/saml", "terminology/codebook", "fhir", "definition", "fhirpath", "guide", "guide/conformance", "guide/shelf", "server/guides", "validate", "validate/invariant", "validate/profile", "validate/questionnaire", "terminology", "apikey", "server", "load", "synth", "datastore", "profile", "smart", "login", "token", "audit", "sigv4", "backup", "server/backups", "server/explain", "server/vault", "server/tuning", "stack", "terminology/distribution", "terminology/shelf", "server/admin"},
	"bench":    {"bench/probe", "blob", "fhir", "definition", "search", "store", "authz", "pebble", "datastore", "rest", "server", "smart", "synth", "load", "validate", "terminology/codebook", "terminology/concept", "terminology/shelf"},

	"bench/compare": {},
	"bench/probe":   {},

	"blob/s3blob":     {"blob"},
	"blob/sealedblob": {"blob", "crypt/seal"},

	// Test suites and tools that packages' tests use.
	"blob/blobtest":          {"blob"},
	"internal/access":        {},
	"internal/browser":       {},
	"internal/check":         {},
	"internal/crashing":      {},
	"internal/endtoend":      {},
	"internal/published":     {},
	"internal/running":       {"server"},
	"internal/seeded":        {},
	"internal/still":         {},
	"internal/transcript":    {},
	"kv/kvtest":              {"kv"},
	"pebble/internal/dict":   {"fhir", "synth"},
	"store/storetest":        {"fhir", "definition", "internal/still", "search", "store"},
	"validate/questionnaire": {"fhir", "fhirpath"},
	"validate/mutation":      {"fhir", "definition"},
	"search/searchtest":      {"fhir", "definition", "search", "search/lookup", "search/terminology", "terminology"},
}

func TestImportsFollowTheTable(t *testing.T) {
	for _, file := range goFiles(t) {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, file), nil, parser.ImportsOnly)
		if err != nil {
			t.Error(err)
			continue
		}
		pkg := filepath.ToSlash(filepath.Dir(file))
		allowed, known := imports[pkg]
		if !known {
			t.Errorf("%s: package %s is not in the import table", file, pkg)
			continue
		}
		for _, spec := range parsed.Imports {
			path, _ := strconv.Unquote(spec.Path.Value)
			to, ours := strings.CutPrefix(path, module)
			if ours && !slices.Contains(allowed, to) {
				t.Errorf("%s imports %s, which the import table does not allow", file, to)
			}
			if strings.Contains(path, ".") && !ours && (pkg == "fhir" || pkg == "kv") {
				t.Errorf("%s imports %s, but %s uses the standard library only", file, path, pkg)
			}
		}
	}
}

// TestImportTableIsCurrent keeps packages that are gone out of the table.
func TestImportTableIsCurrent(t *testing.T) {
	found := map[string]bool{}
	for _, file := range goFiles(t) {
		found[filepath.ToSlash(filepath.Dir(file))] = true
	}
	for pkg := range imports {
		if !found[pkg] {
			t.Errorf("the import table names %s, which does not exist", pkg)
		}
	}
}

// TestPropertyTestsAreRepeatable: where a test makes cases at random, each run
// makes the same ones.
func TestPropertyTestsAreRepeatable(t *testing.T) {
	random, seeded := map[string]string{}, map[string]bool{}
	for _, file := range goFiles(t) {
		if !strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, file), nil, parser.ImportsOnly)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, spec := range parsed.Imports {
			switch path, _ := strconv.Unquote(spec.Path.Value); path {
			case "pgregory.net/rapid":
				random[filepath.Dir(file)] = file
			case module + "internal/seeded":
				seeded[filepath.Dir(file)] = true
			}
		}
	}
	for dir, file := range random {
		if !seeded[dir] {
			t.Errorf("%s makes other cases in each run: import internal/seeded", file)
		}
	}
}
