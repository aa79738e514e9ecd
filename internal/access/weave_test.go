package access

import (
	"bytes"
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
)

// A mutant is a mutation and its number, which is not 0.
type mutant struct {
	mutation

	n int
}

// switched is the file beside woven ones: which mutant is at work, and a list of
// those whose function was called, in the file that TARN_REACHED names.
const switched = `package %s

import (
	"fmt"
	"os"
	"strconv"
	"sync"
)

var tarnMutant = func() int { n, _ := strconv.Atoi(os.Getenv("TARN_MUTANT")); return n }()

var tarnCalled sync.Map

func tarnReached(mutants ...int) {
	for _, n := range mutants {
		if _, known := tarnCalled.LoadOrStore(n, true); known {
			continue
		}
		f, err := os.OpenFile(os.Getenv("TARN_REACHED"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err == nil {
			_, err = fmt.Fprintln(f, n)
		}
		if err == nil {
			err = f.Close()
		}
		if err != nil {
			panic(err)
		}
	}
}
`

// A woven file holds beside each function its mutants: which one runs says
// TARN_MUTANT, and with -1 there it is written down which could.
type woven struct {
	pkg  string // its package's name
	text []byte
	// in are the mutants in it, apart those outside of functions, broken those
	// that do not parse.
	in, apart, broken []mutant
}

// weave puts mutants into the text of a file.
func weave(src []byte, mutants []mutant) (woven, error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, "", src, parser.SkipObjectResolution)
	if err != nil {
		return woven{}, err
	}
	out := woven{pkg: file.Name.Name}
	in := map[int][]mutant{} // by the place of the function among the declarations
	var copies bytes.Buffer
	for _, m := range mutants {
		at := bytes.Index(src, []byte(m.line))
		i := enclosing(files, file, at, m.mutation)
		if i < 0 {
			out.apart = append(out.apart, m)
			continue
		}
		text, err := without(slices.Concat(src[:at], []byte(m.without), src[at+len(m.line):]), i, m.n)
		if err != nil {
			out.broken = append(out.broken, m)
			continue
		}
		in[i] = append(in[i], m)
		out.in = append(out.in, m)
		fmt.Fprintf(&copies, "\n//line mutant%d.go:1\n%s\n", m.n, text)
	}
	w := weaver{files: files, text: src}
	for i := len(file.Decls) - 1; i >= 0; i-- {
		if here := in[i]; here != nil {
			w.choose(file.Decls[i].(*ast.FuncDecl), here)
		}
	}
	out.text = append(w.text, copies.Bytes()...)
	return out, nil
}

// enclosing is the place of the function that a mutation at an offset changes
// among the declarations of a file, or -1.
func enclosing(files *token.FileSet, file *ast.File, at int, m mutation) int {
	from, to := at, at+len(m.line)
	for i := 0; i < min(len(m.line), len(m.without)) && m.line[i] == m.without[i]; i++ {
		from++
	}
	for i := 1; to > from && i <= len(m.without)-(from-at) && m.line[len(m.line)-i] == m.without[len(m.without)-i]; i++ {
		to--
	}
	return slices.IndexFunc(file.Decls, func(d ast.Decl) bool {
		f, ok := d.(*ast.FuncDecl)
		return ok && f.Body != nil && f.Name.Name != "init" &&
			files.Position(f.Body.Lbrace).Offset < from && to <= files.Position(f.Body.Rbrace).Offset
	})
}

// without is the text of the function at a place of a mutated file, by its new name.
func without(src []byte, decl, n int) (string, error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, "", src, parser.SkipObjectResolution)
	if err != nil {
		return "", err
	}
	f := file.Decls[decl].(*ast.FuncDecl)
	w := weaver{files: files, text: src}
	edits := append(uses(f.Body), edit{f.Name.End(), f.Name.End(), suffix(n)})
	slices.SortStableFunc(edits, func(a, b edit) int { return cmp.Compare(a.from, b.from) })
	for _, e := range slices.Backward(edits) {
		w.replace(e)
	}
	return string(w.text[w.offset(f.Pos()) : len(w.text)-(len(src)-w.offset(f.End()))]), nil
}

// uses are edits after which each variable of a function is used: a line that is
// gone may have been the only one that did.
func uses(body *ast.BlockStmt) (edits []edit) {
	use := func(at token.Pos, before, after string, s ast.Stmt) {
		if names := defined(s); names != nil {
			text := strings.Repeat("_, ", len(names)-1) + "_ = " + strings.Join(names, ", ")
			edits = append(edits, edit{at, at, before + text + after})
		}
	}
	list := func(all []ast.Stmt) {
		for _, s := range all {
			use(s.End(), "; ", "", s)
		}
	}
	ast.Inspect(body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BlockStmt:
			list(n.List)
		case *ast.CaseClause:
			list(n.Body)
		case *ast.CommClause:
			use(n.Colon+1, " ", ";", n.Comm)
			list(n.Body)
		case *ast.IfStmt:
			use(n.Body.Lbrace+1, " ", ";", n.Init)
		case *ast.ForStmt:
			use(n.Body.Lbrace+1, " ", ";", n.Init)
		case *ast.RangeStmt:
			use(n.Body.Lbrace+1, " ", ";", &ast.AssignStmt{Tok: n.Tok, Lhs: ranged(n)})
		case *ast.SwitchStmt:
			if len(n.Body.List) > 0 {
				use(n.Body.List[0].(*ast.CaseClause).Colon+1, " ", ";", n.Init)
			}
		}
		return true
	})
	return edits
}

// ranged are the variables of a range clause.
func ranged(n *ast.RangeStmt) (all []ast.Expr) {
	for _, e := range []ast.Expr{n.Key, n.Value} {
		if e != nil {
			all = append(all, e)
		}
	}
	return all
}

// defined are the names of the variables that a statement defines.
func defined(s ast.Stmt) (names []string) {
	var idents []*ast.Ident
	switch s := s.(type) {
	case *ast.AssignStmt:
		for _, e := range s.Lhs {
			if ident, ok := e.(*ast.Ident); ok && s.Tok == token.DEFINE {
				idents = append(idents, ident)
			}
		}
	case *ast.DeclStmt:
		for _, spec := range s.Decl.(*ast.GenDecl).Specs {
			if v, ok := spec.(*ast.ValueSpec); ok && s.Decl.(*ast.GenDecl).Tok == token.VAR {
				idents = append(idents, v.Names...)
			}
		}
	}
	for _, ident := range idents {
		if ident.Name != "_" {
			names = append(names, ident.Name)
		}
	}
	return names
}

// suffix tells the mutants of a function from it.
func suffix(n int) string { return fmt.Sprintf("Mutant%d", n) }

// A weaver edits a text from its end to its beginning.
type weaver struct {
	files *token.FileSet
	text  []byte
}

func (w *weaver) offset(p token.Pos) int { return w.files.Position(p).Offset }

// choose lets a function begin with the choice of its mutants.
func (w *weaver) choose(f *ast.FuncDecl, mutants []mutant) {
	args, edits := named(f.Type.Params, "tarnArg")
	called := f.Name.Name
	if f.Recv != nil {
		of, more := named(f.Recv, "tarnOf")
		called, edits = of[0]+"."+called, slices.Concat(more, edits)
	}
	generic := ""
	if f.Type.TypeParams != nil {
		types, _ := named(f.Type.TypeParams, "")
		generic = "[" + strings.Join(types, ", ") + "]"
	}
	var cases strings.Builder
	var all []string
	for _, m := range mutants {
		call := called + suffix(m.n) + generic + "(" + strings.Join(args, ", ") + ")"
		if f.Type.Results == nil {
			call += "; return"
		} else {
			call = "return " + call
		}
		fmt.Fprintf(&cases, "; case %d: %s", m.n, call)
		all = append(all, fmt.Sprint(m.n))
	}
	w.replace(edit{f.Body.Lbrace, f.Body.Lbrace + 1, fmt.Sprintf(
		"{ if tarnMutant != 0 { switch tarnMutant { case -1: tarnReached(%s)%s } };", strings.Join(all, ", "), cases.String())})
	for _, e := range slices.Backward(edits) {
		w.replace(e)
	}
}

// An edit puts text in the place of what is from one position to another.
type edit struct {
	from, to token.Pos
	text     string
}

// replace makes an edit.
func (w *weaver) replace(e edit) {
	w.text = slices.Concat(w.text[:w.offset(e.from)], []byte(e.text), w.text[w.offset(e.to):])
}

// named are the names of parameters, as arguments of a call, and the edits that
// name those without one.
func named(fields *ast.FieldList, prefix string) (names []string, edits []edit) {
	for _, field := range fields.List {
		if len(field.Names) == 0 {
			name := fmt.Sprint(prefix, len(names))
			names = append(names, name)
			edits = append(edits, edit{field.Type.Pos(), field.Type.Pos(), name + " "})
		}
		for _, ident := range field.Names {
			name := ident.Name
			if name == "_" {
				name = fmt.Sprint(prefix, len(names))
				edits = append(edits, edit{ident.Pos(), ident.End(), name})
			}
			names = append(names, name)
		}
		if _, variadic := field.Type.(*ast.Ellipsis); variadic {
			names[len(names)-1] += "..."
		}
	}
	return names, edits
}
