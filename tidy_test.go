package goddard_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// exceptions are the places that may break a house rule, each with its reason.
// The list may only shrink.
var exceptions = map[string]string{}

// A source is one parsed Go file of the repository.
type source struct {
	path string // relative, with slashes
	fset *token.FileSet
	file *ast.File
}

func (s source) test() bool { return strings.HasSuffix(s.path, "_test.go") }

// main reports whether the file is part of a program, of a generator or of the
// proof against other people's clients, where some rules make no sense.
func (s source) outside() bool {
	return strings.HasPrefix(s.path, "internal/test/") || strings.Contains(s.path, "/gen/")
}

func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && path != "." || d.Name() == "testdata" || d.Name() == "goddard-data") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") {
			return nil
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		all = append(all, source{filepath.ToSlash(path), fset, f})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func complain(t *testing.T, s source, pos token.Pos, format string, args ...any) {
	t.Helper()
	if _, ok := exceptions[s.path]; ok {
		return
	}
	t.Errorf("%s: "+format, append([]any{s.fset.Position(pos)}, args...)...)
}

func TestEveryPackageSaysWhatItKeepsTrue(t *testing.T) {
	documented := map[string]bool{}
	for _, s := range sources(t) {
		if s.test() {
			continue
		}
		dir := filepath.Dir(s.path)
		documented[dir] = documented[dir] || s.file.Doc != nil
	}
	for dir, ok := range documented {
		if !ok {
			t.Errorf("package %s has no package comment", dir)
		}
	}
}

func TestNoInitFunctionsAndNoBareGoStatements(t *testing.T) {
	for _, s := range sources(t) {
		if s.test() || s.outside() || strings.HasPrefix(filepath.Base(s.path), "zz_") {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if n.Recv == nil && n.Name.Name == "init" {
					complain(t, s, n.Pos(), "init function; wire it where the program is put together")
				}
			case *ast.GoStmt:
				complain(t, s, n.Pos(), "bare go statement; start it with WaitGroup.Go or an errgroup in an owner that waits")
			}
			return true
		})
	}
}

func TestTestsDoNotSleep(t *testing.T) {
	for _, s := range sources(t) {
		if !s.test() || s.outside() || bubble(s.file) {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok && selects(call.Fun, "time", "Sleep") {
				complain(t, s, n.Pos(), "time.Sleep; wait for a condition or use testing/synctest")
			}
			return true
		})
	}
}

// bubble reports whether a file uses synctest, in which sleeping takes no time.
func bubble(f *ast.File) bool {
	return slices.ContainsFunc(f.Imports, func(i *ast.ImportSpec) bool { return i.Path.Value == `"testing/synctest"` })
}

func TestStorageReachesFilesOnlyThroughTheFileSystemSeam(t *testing.T) {
	for _, s := range sources(t) {
		if s.test() || !strings.HasPrefix(s.path, "internal/segment/") && !strings.HasPrefix(s.path, "internal/store/") {
			continue
		}
		for _, imp := range s.file.Imports {
			if imp.Path.Value == `"os"` {
				complain(t, s, imp.Pos(), "imports os; go through vfs.FS, so that crash tests see it")
			}
		}
	}
}

func TestCoresDecideWithoutDoing(t *testing.T) {
	banned := []string{`"os"`, `"net"`, `"sync"`, `"sync/atomic"`}
	for _, s := range sources(t) {
		if filepath.Base(s.path) != "core.go" {
			continue
		}
		for _, imp := range s.file.Imports {
			if slices.Contains(banned, imp.Path.Value) {
				complain(t, s, imp.Pos(), "a core imports %s", imp.Path.Value)
			}
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok && selects(call.Fun, "time", "Now") {
				complain(t, s, n.Pos(), "a core asks for the time; pass it in")
			}
			return true
		})
	}
}

func TestExportedThingsAreDocumented(t *testing.T) {
	for _, s := range sources(t) {
		if s.test() || s.outside() || strings.HasPrefix(filepath.Base(s.path), "zz_") {
			continue
		}
		for _, d := range s.file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Name.IsExported() && d.Doc == nil && exportedReceiver(d) {
					complain(t, s, d.Pos(), "%s has no comment", d.Name.Name)
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					if ts, ok := spec.(*ast.TypeSpec); ok && ts.Name.IsExported() && ts.Doc == nil && d.Doc == nil {
						complain(t, s, ts.Pos(), "%s has no comment", ts.Name.Name)
					}
				}
			}
		}
	}
}

func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	typ := d.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	id, ok := typ.(*ast.Ident)
	return ok && id.IsExported()
}

func TestPackageVariablesAreNotChanged(t *testing.T) {
	for _, s := range sources(t) {
		if s.test() || s.outside() || strings.HasPrefix(filepath.Base(s.path), "zz_") {
			continue
		}
		vars := map[string]bool{}
		for _, d := range s.file.Decls {
			if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.VAR {
				for _, spec := range g.Specs {
					for _, name := range spec.(*ast.ValueSpec).Names {
						vars[name.Name] = true
					}
				}
			}
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			as, ok := n.(*ast.AssignStmt)
			if !ok || as.Tok == token.DEFINE {
				return true
			}
			for _, lhs := range as.Lhs {
				// Resolved identifiers of the file scope only; a local of the
				// same name has its own object.
				if id, ok := lhs.(*ast.Ident); ok && vars[id.Name] && id.Obj != nil && id.Obj == s.file.Scope.Lookup(id.Name) {
					complain(t, s, n.Pos(), "changes the package variable %s", id.Name)
				}
			}
			return true
		})
	}
}

func selects(e ast.Expr, pkg, name string) bool {
	sel, ok := e.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	id, ok := sel.X.(*ast.Ident)
	return ok && id.Name == pkg && sel.Sel.Name == name
}
