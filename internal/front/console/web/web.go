// Package web holds the console's pages as they are sent, and sends them: no
// step builds them. They ask for nothing outside their own origin, and the
// policy that goes with them (Content-Security-Policy) has the browser insist.
package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
)

//go:embed *.html *.css *.js *.svg i18n pages parts vendor
var files embed.FS

// types are the content types of what there is, by extension; a machine's own
// table of types is not asked, it may say otherwise.
var types = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
	"":      "text/plain; charset=utf-8",
}

// A file is what is sent for a path, plain and compressed.
type file struct {
	typ, etag   string
	plain, gzip []byte
}

// Handler serves the pages, index.html at "/".
func Handler() (http.Handler, error) {
	all := map[string]file{}
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		f, err := load(name)
		if err != nil {
			return fmt.Errorf("page %s: %w", name, err)
		}
		all["/"+name] = f
		return nil
	})
	if err != nil {
		return nil, err
	}
	all["/"] = all["/index.html"]
	policy := policyOf(all["/"].plain)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { serve(w, r, all, policy) }), nil
}

func load(name string) (file, error) {
	plain, err := files.ReadFile(name)
	if err != nil {
		return file{}, err
	}
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return file{}, err
	}
	if _, err := z.Write(plain); err != nil {
		return file{}, err
	}
	if err := z.Close(); err != nil {
		return file{}, err
	}
	typ, known := types[path.Ext(name)]
	if !known {
		typ = types[""]
	}
	sum := sha256.Sum256(plain)
	return file{typ: typ, etag: `"` + hex.EncodeToString(sum[:12]) + `"`, plain: plain, gzip: packed.Bytes()}, nil
}

// policyOf allows scripts and styles of our own origin, and the import map that
// the page carries, by its hash; a browser takes no import map from a file.
func policyOf(page []byte) string {
	script := "'self'"
	if _, rest, ok := bytes.Cut(page, []byte(`<script type="importmap">`)); ok {
		table, _, _ := bytes.Cut(rest, []byte(`</script>`))
		sum := sha256.Sum256(table)
		script += " 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	return "default-src 'none'; script-src " + script + "; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
		"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
}

func serve(w http.ResponseWriter, r *http.Request, all map[string]file, policy string) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "the console's pages are only read: use GET", http.StatusMethodNotAllowed)
		return
	}
	f, ok := all[r.URL.Path]
	if !ok {
		http.Error(w, "the console has no such file: its pages begin at /", http.StatusNotFound)
		return
	}
	h := w.Header()
	h.Set("Content-Type", f.typ)
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Vary", "Accept-Encoding")
	h.Set("ETag", f.etag)
	h.Set("Cache-Control", "no-cache") // asks again each time; the tag makes that cheap
	if r.Header.Get("If-None-Match") == f.etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	body := f.plain
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		body = f.gzip
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method == http.MethodGet {
		_, _ = w.Write(body) // a reader that went away is told nothing
	}
}
