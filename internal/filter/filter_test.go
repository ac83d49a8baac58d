package filter

import (
	"errors"
	"strings"
	"testing"

	"github.com/goddardmq/goddard/internal/mq"
)

// stored is the stored form of properties given as key, value, key, value.
func stored(kv ...string) []byte {
	var props []byte
	for i := 0; i < len(kv); i += 2 {
		props = mq.AppendProperty(props, kv[i], kv[i+1])
	}
	return props
}

// The cases and their outcomes were taken from RocketMQ 5.5.0.
func TestExpressionsMeanWhatTheyMeanToRocketMQ(t *testing.T) {
	for _, c := range []struct {
		expression string
		props      []string
		want       value
	}{
		{`a = 1`, nil, value{}},
		{`a = 1`, []string{"a", "1"}, truth(true)},
		{`a=1l`, []string{"a", "1"}, truth(true)},
		{`a=1e3`, []string{"a", "1000"}, truth(true)},
		{`a=1.`, []string{"a", "1"}, truth(true)},
		{`a=5.e3`, []string{"a", "5000"}, truth(true)},
		{`a=007.50`, []string{"a", "7.5"}, truth(true)},
		{`a='it''s'`, []string{"a", "it's"}, truth(true)},
		{`a=''''`, []string{"a", "'"}, truth(true)},
		{`a=1 /* x */ or b=2 -- and so on`, []string{"b", "2"}, truth(true)},
		{"a=1--c\nor b=1", []string{"b", "1"}, truth(true)},
		{`$a_1 = 'x'`, []string{"$a_1", "x"}, truth(true)},
		{`A = 1`, []string{"a", "1"}, value{}},
		{`a = -5`, []string{"a", "-5"}, truth(true)},
		{`a = - -5`, []string{"a", "5"}, truth(true)},
		{`a = --5`, []string{"a", "5"}, truth(true)},
		{"a = --5\n-6 -- x", []string{"a", "-6"}, truth(true)},
		{`-a > 5`, []string{"a", "-9"}, value{}},
		{`a`, []string{"a", "true"}, truth(false)},
		{`not a`, []string{"a", "false"}, truth(true)},
		{`TRUE`, nil, truth(true)},
		{`NULL`, nil, value{}},
		{`a is null`, nil, truth(true)},
		{`a is not null and true`, nil, truth(false)},
		{`a = 'x' is null`, nil, truth(true)},
		{`a = TRUE`, []string{"a", "tRUE"}, truth(true)},
		{`TRUE = a`, []string{"a", "TRUE"}, value{kind: failed}},
		{`1=TRUE`, nil, truth(false)},
		{`a = b`, nil, truth(true)},
		{`a = b = c`, nil, truth(false)},
		{`5 = a`, nil, truth(false)},
		{`a <> 1`, []string{"a", "2"}, truth(true)},
		{`a = 1 = TRUE`, []string{"a", "1"}, truth(true)},
		{`a >1 = b > 2`, []string{"a", "2", "b", "3"}, truth(true)},
		{`not a = 1`, []string{"a", "1"}, truth(false)},
		{`a between 1 and 5 and b=1`, []string{"a", "2", "b", "1"}, truth(true)},
		{`a between -1 and -5`, []string{"a", "-3"}, truth(false)},
		{`a not between 1 and 5`, []string{"a", "7"}, truth(true)},
		{`a not between 5 and 1`, []string{"a", "3"}, truth(true)},
		{`(a) in ('1','2')`, []string{"a", "1"}, truth(true)},
		{`a not in ('b')`, nil, value{}},
		{`a contains 'b'`, []string{"a", "abc"}, truth(true)},
		{`a not contains 'b'`, nil, truth(false)},
		{`a not contains ''`, []string{"a", "abc"}, truth(false)},
		{`a StartsWith 'ab'`, []string{"a", "abc"}, truth(true)},
		{`a not startswith 'y'`, []string{"a", "x"}, truth(true)},
		{`a endswith 'bc'`, []string{"a", "abc"}, truth(true)},
		{`'abc' contains 'b' = TRUE`, nil, truth(true)},
		{`(a > 1) contains 'x'`, []string{"a", "x"}, value{kind: failed}},
		{`a >= b`, []string{"a", "10", "b", "9"}, truth(true)},
		{`a > b`, []string{"a", "x", "b", "9"}, value{kind: failed}},
		{`a=1 or b=1`, []string{"a", "x", "b", "1"}, value{kind: failed}},
		{`b=1 or a=1`, []string{"a", "x", "b", "1"}, truth(true)},
		{`a < 5`, []string{"a", "2147483648"}, value{kind: failed}},
		{`a < 5.0`, []string{"a", "2147483648"}, truth(false)},
		{`a > 2147483648`, []string{"a", "2147483649"}, truth(true)},
		{`a = 5`, []string{"a", "+5"}, truth(true)},
		{`a = 5`, []string{"a", " 5"}, value{kind: failed}},
		{`a = 5.0`, []string{"a", " 5f "}, truth(true)},
		{`a > 5.0`, []string{"a", "NaN"}, truth(true)},
		{`a > 1.0`, []string{"a", "0x1p4"}, truth(true)},
		{`a > 1.0`, []string{"a", "-Infinity"}, truth(false)},
		{`a > 1.0`, []string{"a", "1_0"}, value{kind: failed}},
		{`a > 1.0`, []string{"a", "inf"}, value{kind: failed}},
		{`a = -9223372036854775807`, []string{"a", "-9223372036854775807"}, truth(true)},
		{`- TRUE is null`, nil, truth(true)},
		{`true = true = true`, nil, truth(true)},
	} {
		e, err := Compile(c.expression)
		if err != nil {
			t.Errorf("%s: %v", c.expression, err)
			continue
		}
		props := stored(c.props...)
		if got := e.root.eval(props); got.kind != c.want.kind || got.n != c.want.n {
			t.Errorf("%s with %q is %+v, want %+v", c.expression, c.props, got, c.want)
		}
		if got := e.MatchProperties(props); got != isTrue(c.want) {
			t.Errorf("%s with %q matches: %v", c.expression, c.props, got)
		}
	}
}

func TestErrorsSayWhereAndWhat(t *testing.T) {
	for _, c := range []struct {
		expression string
		character  int
		reason     string
	}{
		{``, 1, "found the end"},
		{`a = 1 and`, 10, "found the end"},
		{`a = 1 b = 2`, 7, "complete before b"},
		{`a = 007`, 6, "complete before 0"},
		{`a like 'x%'`, 3, "complete before like"},
		{`a = 1)`, 6, "complete before )"},
		{`(a = 1`, 7, "expected )"},
		{`é = 1`, 1, "'é' means nothing"},
		{`x = 'é' and b != 1`, 15, "'!' means nothing"},
		{`a = 'x`, 5, "no closing quote"},
		{`a /* x`, 3, "comment"},
		{`a.b = 1`, 2, "'.' means nothing"},
		{`1`, 1, "neither true nor false"},
		{`true and 'x'`, 10, "neither true nor false"},
		{`a = NULL`, 5, "IS NULL"},
		{`a > 'x'`, 5, "only numbers"},
		{`TRUE > a`, 1, "only numbers"},
		{`a > 1 > 2`, 1, "only numbers"},
		{`TRUE = 1`, 6, "cannot be compared"},
		{`a between 5 and 1`, 11, "wrong way round"},
		{`a between 5 or 1`, 13, "expected AND"},
		{`a in (1)`, 7, "expected text"},
		{`a in ('x',)`, 11, "expected text"},
		{`a in ('x'`, 10, "expected , or )"},
		{`'a' in ('a')`, 1, "name of a property"},
		{`a not 5`, 7, "behind NOT"},
		{`a is true`, 6, "behind IS"},
		{`a = 1e400`, 5, "too large"},
		{`a = 0.0`, 5, "without a point"},
		{`a = 99999999999999999999`, 5, "too large"},
		{strings.Repeat("(", 300) + "a" + strings.Repeat(")", 300), 257, "nested"},
		{"a" + strings.Repeat("=1", 300), 2 + 2*257, "follow each other"},
	} {
		_, err := Compile(c.expression)
		var syntax *SyntaxError
		if !errors.As(err, &syntax) || !errors.Is(err, mq.ErrSubscription) {
			t.Errorf("%.60s: %v", c.expression, err)
			continue
		}
		if syntax.Character != c.character || !strings.Contains(syntax.Reason, c.reason) {
			t.Errorf("%.60s: %v; want character %d and %q", c.expression, err, c.character, c.reason)
		}
	}
}

func TestExpressionsOf64KiBHaveAnAnswer(t *testing.T) {
	const part = " or a = 'xx'"
	long := "b = 1" + strings.Repeat(part, (MaxBytes-5)/len(part))
	long += strings.Repeat(" ", MaxBytes-len(long))
	e, err := Compile(long)
	if err != nil {
		t.Fatal(err)
	}
	if !e.MatchProperties(stored("b", "2", "a", "xx")) || e.MatchProperties(stored("b", "2", "a", "x")) || e.Quick() {
		t.Error("a long expression does not mean what it says")
	}
	if _, err := Compile(long + " "); !errors.Is(err, mq.ErrSubscription) || !strings.Contains(err.Error(), "65537 bytes") {
		t.Errorf("one byte more: %v", err)
	}
	for _, hostile := range []string{
		strings.Repeat("(", MaxBytes), strings.Repeat("- ", MaxBytes/2), strings.Repeat("not ", MaxBytes/4),
		strings.Repeat("a=", MaxBytes/2), strings.Repeat("'", MaxBytes), "a in (" + strings.Repeat("'x',", MaxBytes/4-2),
		strings.Repeat("(a is null is null)=", MaxBytes/20),
	} {
		if _, err := Compile(hostile); err == nil {
			t.Errorf("%.20s… was accepted", hostile)
		}
	}
}

// typical is what a message sent by a Java client holds.
var typical = stored("MIN_OFFSET", "0", "TRACE_ON", "true", "MAX_OFFSET", "1000", "MSG_REGION", "DefaultRegion", "UNIQ_KEY", "7F000001000D18B4AAC2147E5B1E0000",
	"CLUSTER", "DefaultCluster", "WAIT", "true", "TAGS", "TagA", "region", "hangzhou", "amount", "42", "price", "12.50")

var typicalExpressions = map[string]string{
	"one":   `amount > 10`,
	"three": `(TAGS is not null and TAGS in ('TagA', 'TagB')) and (amount between 0 and 100 or region = 'shanghai')`,
	"float": `price >= 9.99 and region <> 'x'`,
}

func TestMatchingMakesNoGarbage(t *testing.T) {
	for name, expression := range typicalExpressions {
		e, err := Compile(expression)
		if err != nil {
			t.Fatal(err)
		}
		if n := testing.AllocsPerRun(100, func() {
			if !e.MatchProperties(typical) {
				t.Error(name, "does not match")
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkMatch(b *testing.B) {
	for _, name := range []string{"one", "three", "float"} {
		b.Run(name, func(b *testing.B) {
			e, err := Compile(typicalExpressions[name])
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				e.MatchProperties(typical)
			}
		})
	}
}

// No text makes Compile or MatchProperties panic, an error's position lies in
// the text, and what stands before a complete part's end compiles by itself.
func FuzzCompile(f *testing.F) {
	for _, expression := range typicalExpressions {
		f.Add(expression, string(typical))
	}
	f.Add("a = 1 b = 2", "a\x011\x02")
	f.Add("a > b or - -c between -1.5e3 and 'x'", "a\x01x\x02b\x010x1p3f")
	f.Fuzz(func(t *testing.T, expression, props string) {
		e, err := Compile(expression)
		if err == nil {
			e.MatchProperties([]byte(props))
			return
		}
		if !errors.Is(err, mq.ErrSubscription) {
			t.Fatalf("%v does not wrap ErrSubscription", err)
		}
		var syntax *SyntaxError
		if !errors.As(err, &syntax) {
			return
		}
		if syntax.Offset > len(expression) {
			t.Fatalf("%v: offset %d of %d", err, syntax.Offset, len(expression))
		}
		if syntax.Complete {
			if _, err := Compile(expression[:syntax.Offset]); err != nil {
				t.Fatalf("%q is not complete: %v", expression[:syntax.Offset], err)
			}
		}
	})
}

// A property is what mq.Property finds, in properties of any form.
func FuzzProperty(f *testing.F) {
	f.Add("a", "a\x011\x02ba\x012\x02a\x013")
	f.Add("a", "a\x01a\x01x\x02a\x01\x02")
	f.Fuzz(func(t *testing.T, name, props string) {
		if !mq.ValidProperty(name, "x") {
			return
		}
		want, ok := mq.Property([]byte(props), name)
		got := newProperty(name).eval([]byte(props))
		if (got.kind == text) != ok || string(got.s) != string(want) {
			t.Fatalf("%q in %q is %+v, want %q, %v", name, props, got, want, ok)
		}
	})
}
