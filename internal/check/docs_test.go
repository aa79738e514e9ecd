package check

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestPackagesAreDocumented asks every package for a doc comment.
func TestPackagesAreDocumented(t *testing.T) {
	documented := map[string]bool{}
	for _, file := range goFiles(t) {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, file), nil, parser.ParseComments|parser.PackageClauseOnly)
		if err != nil {
			t.Error(err)
			continue
		}
		pkg := filepath.Dir(file)
		documented[pkg] = documented[pkg] || parsed.Doc != nil && len(parsed.Doc.Text()) > 40
	}
	for pkg, ok := range documented {
		if !ok {
			t.Errorf("package %s has no doc comment that says what it owns", pkg)
		}
	}
}

// TestExportedNamesAreDocumented asks every exported declaration for a comment.
func TestExportedNamesAreDocumented(t *testing.T) {
	for _, file := range goFiles(t) {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, file), nil, parser.ParseComments)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, decl := range parsed.Decls {
			for _, name := range undocumented(decl) {
				t.Errorf("%s: %s has no doc comment", file, name)
			}
		}
	}
}

func undocumented(decl ast.Decl) []string {
	var names []string
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && d.Doc == nil && exportedReceiver(d) && !wellKnown[d.Name.Name] {
			names = append(names, d.Name.Name)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				if s.Name.IsExported() && d.Doc == nil && s.Doc == nil {
					names = append(names, s.Name.Name)
				}
			case *ast.ValueSpec:
				if s.Names[0].IsExported() && d.Doc == nil && s.Doc == nil && s.Comment == nil {
					names = append(names, s.Names[0].Name)
				}
			}
		}
	}
	return names
}

// wellKnown are methods of standard interfaces, which speak for themselves.
var wellKnown = map[string]bool{
	"Error": true, "Unwrap": true, "String": true, "Close": true, "Read": true, "Write": true,
	"ServeHTTP": true, "Len": true, "Less": true, "Swap": true, "Flush": true, "WriteHeader": true,
	"MarshalJSON": true, "UnmarshalJSON": true, "Header": true, "RoundTrip": true,
}

func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	typ := d.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	if generic, ok := typ.(*ast.IndexExpr); ok {
		typ = generic.X
	}
	id, ok := typ.(*ast.Ident)
	return ok && id.IsExported()
}

// docPath finds `code spans` in Markdown that name a file or folder: with a
// slash or a known ending, and nothing that a path cannot hold.
var docPath = regexp.MustCompile("`([A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.*-]+)*/?)`")

var pathEnding = regexp.MustCompile(`\.(go|md|test|txtar|bin|yaml)$|/$`)

// TestDocPathsExist checks that every path named in the docs is there.
func TestDocPathsExist(t *testing.T) {
	walk(t, func(name string) {
		if !strings.HasSuffix(name, ".md") {
			return
		}
		for _, m := range docPath.FindAllStringSubmatch(read(t, name), -1) {
			path := m[1]
			if !pathEnding.MatchString(path) || strings.HasPrefix(path, "..") || endingOnly(path) || madeByUsers[path] {
				continue
			}
			if !exists(path) && !exists(filepath.Join(filepath.Dir(name), path)) {
				t.Errorf("%s names %s, which does not exist", name, path)
			}
		}
	})
}

// endingOnly reports whether a code span is a file name's ending, ".go".
func endingOnly(path string) bool {
	return strings.HasPrefix(path, ".") && !strings.Contains(path, "/")
}

// madeByUsers are files that docs name and that only a user's machine has.
var madeByUsers = map[string]bool{"tarn.yaml": true, "admin.sock": true, "tarn-data/": true, "stack.yaml": true}

func exists(pattern string) bool {
	path := filepath.Join(root, pattern)
	if strings.Contains(pattern, "*") {
		found, err := filepath.Glob(path)
		return err == nil && len(found) > 0
	}
	_, err := os.Stat(path)
	return err == nil
}

// TestStoragePageHasEveryIndex keeps docs/storage.md and the index files of
// package pebble in step, in both directions.
func TestStoragePageHasEveryIndex(t *testing.T) {
	page := read(t, "docs/storage.md")
	files, err := filepath.Glob(filepath.Join(root, "pebble", "index_*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no index files found: %v", err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		if !strings.Contains(page, "`pebble/"+name+"`") {
			t.Errorf("docs/storage.md has no row for `pebble/%s`", name)
		}
	}
}

// TestDependenciesAreListed asks for a line in docs/dependencies.md for every
// module that the code imports itself.
func TestDependenciesAreListed(t *testing.T) {
	page, listed := read(t, "docs/dependencies.md"), 0
	for line := range strings.Lines(read(t, "go.mod")) {
		fields := strings.Fields(line)
		if len(fields) != 2 || !strings.Contains(fields[0], ".") {
			continue // of other lines, or an indirect dependency
		}
		listed++
		if !strings.Contains(page, "`"+fields[0]+"`") {
			t.Errorf("docs/dependencies.md does not say what %s is for", fields[0])
		}
	}
	if listed < 10 {
		t.Errorf("only %d dependencies found in go.mod", listed)
	}
}
