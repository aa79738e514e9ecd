package check

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// Budgets, in lines. Lines of code leave out blank and comment lines.
const (
	maxFileLines     = 500
	maxPackageLines  = 4000
	maxFunctionLines = 80
	longFunction     = 50
	maxLongShare     = 0.05
	maxMethods       = 8
)

// exempt names what may exceed a budget, and why.
var exempt = map[string]string{
	"datastore": "the one door: whatever reads or writes a data store passes its guard, which no other package may see",
	"rest":      "one file for each interaction and operation; they share the request, and do not know each other",
	"pebble":    "one store: its writer, seals, erasures and searches share its records and its state in memory; what stands by itself is in pebble/internal",
	"fhir":      "the resource in its two forms, JSON and XML, around one tree",
	"fhirpath":  "one language: its grammar, types and some ninety functions change together",
}

func TestSizes(t *testing.T) {
	perPackage := map[string]int{}
	functions, long := 0, 0
	for _, file := range goFiles(t) {
		lines := codeLines(read(t, file))
		if lines > maxFileLines && exempt[file] == "" {
			t.Errorf("%s has %d lines of code, more than %d", file, lines, maxFileLines)
		}
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		perPackage[filepath.Dir(file)] += lines
		f, l := checkFunctions(t, file)
		functions, long = functions+f, long+l
	}
	for pkg, lines := range perPackage {
		if lines > maxPackageLines && exempt[pkg] == "" {
			t.Errorf("package %s has %d lines of code, more than %d", pkg, lines, maxPackageLines)
		}
	}
	if share := float64(long) / float64(functions); share > maxLongShare {
		t.Errorf("%.1f %% of the functions are longer than %d lines; at most %.0f %% may be", 100*share, longFunction, 100*maxLongShare)
	}
}

func codeLines(src string) int {
	n := 0
	for line := range strings.Lines(src) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "//") {
			n++
		}
	}
	return n
}

func checkFunctions(t *testing.T, file string) (functions, long int) {
	fset := token.NewFileSet()
	parsed, err := parser.ParseFile(fset, filepath.Join(root, file), nil, 0)
	if err != nil {
		t.Error(err)
		return 0, 0
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			lines := fset.Position(n.End()).Line - fset.Position(n.Pos()).Line + 1
			functions++
			if lines > longFunction {
				long++
			}
			if name := file + ":" + n.Name.Name; lines > maxFunctionLines && exempt[name] == "" {
				t.Errorf("%s has %d lines, more than %d", name, lines, maxFunctionLines)
			}
		case *ast.InterfaceType:
			if n.Methods != nil && len(n.Methods.List) > maxMethods {
				t.Errorf("%s: an interface has %d methods, more than %d", file, len(n.Methods.List), maxMethods)
			}
		}
		return true
	})
	return functions, long
}
