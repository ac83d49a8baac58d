package web

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := files.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// own are the scripts that are not somebody else's.
func own(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && path.Ext(name) == ".js" && !strings.HasPrefix(name, "vendor/") && !strings.HasPrefix(name, "i18n/") {
			all[name] = read(t, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

var textKey = regexp.MustCompile(`'([a-zA-Z0-9.\-]+)': (?:'|\{ )`)

func textKeys(t *testing.T, language string) map[string]bool {
	t.Helper()
	keys := map[string]bool{}
	for _, m := range textKey.FindAllStringSubmatch(read(t, "i18n/"+language+".js"), -1) {
		if keys[m[1]] {
			t.Errorf("%s: %s is there twice", language, m[1])
		}
		keys[m[1]] = true
	}
	if len(keys) < 400 {
		t.Fatalf("%s: only %d texts were recognised", language, len(keys))
	}
	return keys
}

func TestBothLanguagesHaveTheSameTexts(t *testing.T) {
	en, zh := textKeys(t, "en"), textKeys(t, "zh")
	for key := range en {
		if !zh[key] {
			t.Errorf("%s is missing in Chinese", key)
		}
	}
	for key := range zh {
		if !en[key] {
			t.Errorf("%s is missing in English", key)
		}
	}
}

// placeholders of each text, such as {name}; a text in several forms may count
// only in one of them.
func TestBothLanguagesSayTheSameThings(t *testing.T) {
	line := regexp.MustCompile(`'([a-zA-Z0-9.\-]+)': ('(?:[^'\\]|\\.)*'|\{ one: .*? \}), `)
	named := regexp.MustCompile(`\{(\w+)\}`)
	of := func(language string) map[string][]string {
		all := map[string][]string{}
		for _, m := range line.FindAllStringSubmatch(strings.ReplaceAll(read(t, "i18n/"+language+".js"), ",\n", ", "), -1) {
			set := map[string]bool{}
			for _, n := range named.FindAllStringSubmatch(strings.ReplaceAll(m[2], "{ one:", ""), -1) {
				set[n[1]] = true
			}
			delete(set, "n")
			all[m[1]] = slices.Sorted(maps.Keys(set))
		}
		return all
	}
	en, zh := of("en"), of("zh")
	if len(en) < 400 {
		t.Fatalf("only %d texts were recognised", len(en))
	}
	for key, names := range en {
		if !slices.Equal(names, zh[key]) {
			t.Errorf("%s has %v in English, %v in Chinese", key, names, zh[key])
		}
	}
}

var used = regexp.MustCompile(`\bt\('([a-zA-Z0-9.\-]+)'[,)]`)

func TestPagesUseOnlyTextsThatThereAre(t *testing.T) {
	en := textKeys(t, "en")
	n := 0
	for name, code := range own(t) {
		for _, m := range used.FindAllStringSubmatch(code, -1) {
			n++
			if !en[m[1]] {
				t.Errorf("%s: there is no text %s", name, m[1])
			}
		}
	}
	if n < 300 {
		t.Fatalf("only %d uses were recognised", n)
	}
}

// Texts are between tags or in attributes that are read out. What is not a word
// (a dot, an arrow) and names that no language translates may stay.
func TestPagesHaveNoTextsOfTheirOwn(t *testing.T) {
	between := regexp.MustCompile("[a-z\"}/]>([^<>`$={};]*[A-Za-z]{2,}[^<>`$={};]*)<")
	attribute := regexp.MustCompile(`(?:title|aria-label|placeholder|alt|label)="([^"]*[A-Za-z]{2,}[^"]*)"`)
	for name, code := range own(t) {
		for _, m := range append(between.FindAllStringSubmatch(code, -1), attribute.FindAllStringSubmatch(code, -1)...) {
			text := strings.TrimSpace(m[1])
			if text == "Goddard" || strings.HasPrefix(text, "a > 5 AND") {
				continue
			}
			t.Errorf("%s has a text of its own: %q", name, text)
		}
	}
}

func TestTheTestForTextsFindsOne(t *testing.T) {
	between := regexp.MustCompile("[a-z\"}/]>([^<>`$={};]*[A-Za-z]{2,}[^<>`$={};]*)<")
	if !between.MatchString(`<button class="x">Delete it</button>`) {
		t.Error("a text in a button was not found")
	}
}

func serveAll(t *testing.T) http.Handler {
	t.Helper()
	h, err := Handler()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func get(h http.Handler, path string, header ...string) *http.Response {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func TestThePolicyForbidsScriptsAndStylesInPages(t *testing.T) {
	policy := get(serveAll(t), "/").Header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "script-src 'self' 'sha256-", "style-src 'self';", "frame-ancestors 'none'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("policy %q lacks %q", policy, want)
		}
	}
	if strings.Contains(policy, "unsafe") {
		t.Errorf("policy %q", policy)
	}
	page := read(t, "index.html")
	if n := strings.Count(page, "<script"); n != strings.Count(page, "<script src=")+strings.Count(page, `<script type="module" src=`)+1 {
		t.Error("the page has a script in it beside the import map")
	}
	if strings.Contains(page, "style=") || strings.Contains(page, "://") {
		t.Error("the page has a style in it, or asks elsewhere")
	}
}

func TestAFileThatTheBrowserHasIsNotSentAgain(t *testing.T) {
	h := serveAll(t)
	first := get(h, "/app.js", "Accept-Encoding", "gzip")
	if first.StatusCode != http.StatusOK || first.Header.Get("Content-Encoding") != "gzip" {
		t.Fatalf("%d, %v", first.StatusCode, first.Header)
	}
	z, err := gzip.NewReader(first.Body)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	if string(body) != read(t, "app.js") {
		t.Error("another file came")
	}
	if again := get(h, "/app.js", "If-None-Match", first.Header.Get("ETag")); again.StatusCode != http.StatusNotModified {
		t.Errorf("status %d", again.StatusCode)
	}
	if none := get(h, "/web.go"); none.StatusCode != http.StatusNotFound {
		t.Errorf("what is no page was sent: %d", none.StatusCode)
	}
}

// The first page is what index.html and the modules that it leads to take on
// the way, with the overview and its charts.
func TestTheFirstPageIsSmall(t *testing.T) {
	h := serveAll(t)
	sum := 0
	for name := range own(t) {
		if strings.HasPrefix(name, "pages/") && name != "pages/overview.js" {
			continue
		}
		sum += int(get(h, "/"+name, "Accept-Encoding", "gzip").ContentLength)
	}
	for _, name := range []string{"", "base.css", "parts.css", "mark.svg", "i18n/en.js", "i18n/zh.js", "vendor/preact.js", "vendor/hooks.js", "vendor/htm.js", "vendor/icons.svg", "vendor/uplot.js", "vendor/uplot.css"} {
		sum += int(get(h, "/"+name, "Accept-Encoding", "gzip").ContentLength)
	}
	if sum < 20_000 || sum > 150_000 {
		t.Errorf("the first page takes %d bytes", sum)
	}
	t.Logf("the first page takes %d bytes", sum)
}

// docs/dependencies.md lists what is somebody else's with its sum, so that
// nobody changes it unseen.
func TestVendoredFilesAreAsPublished(t *testing.T) {
	list, err := os.ReadFile("../../../../docs/dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	names, err := fs.Glob(files, "vendor/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if path.Ext(name) == ".LICENSE" {
			continue
		}
		sum := sha256.Sum256([]byte(read(t, name)))
		if line := "`" + path.Base(name) + "` `" + hex.EncodeToString(sum[:]) + "`"; !strings.Contains(string(list), line) {
			t.Errorf("docs/dependencies.md lacks %s", line)
		}
	}
}
