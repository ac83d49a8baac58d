//go:build compat

package compat

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/filter"
	"github.com/goddardmq/goddard/internal/mq"
)

var (
	expressionSeed  = flag.Uint64("expression-seed", 0, "seed of the generated filter expressions; 0 for a random one")
	expressionCount = flag.Int("expressions", 6000, "how many filter expressions to generate")
)

// Generated expressions come out the same here and in RocketMQ's own classes,
// for several sets of properties each. What differs on purpose is in the
// documentation of package filter.
func TestExpressionsComeOutTheSame(t *testing.T) {
	if kit.OriginalMissing != "" {
		skip(t, kit.OriginalMissing)
	}
	seed := *expressionSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("-expression-seed=%d", seed)
	g := expressions{rand.New(rand.NewPCG(seed, 0))}
	type sample struct {
		expression string
		properties []string
	}
	var samples []sample
	var input bytes.Buffer
	for range *expressionCount {
		expression := g.expression()
		for range 3 {
			s := sample{expression, g.properties()}
			samples = append(samples, s)
			fmt.Fprintln(&input, strings.Join(append([]string{s.expression}, s.properties...), "\t"))
		}
	}
	cmd := exec.Command(kit.Java, "-cp", kit.Original, "../clients/java/original/Expressions.java")
	cmd.Stdin, cmd.Stderr = &input, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	answers := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if len(answers) != len(samples) {
		t.Fatalf("%d answers to %d samples", len(answers), len(samples))
	}
	counts := map[string]int{}
	for i, s := range samples {
		got, tail := outcome(s.expression, s.properties)
		if got != answers[i] {
			t.Errorf("%s with %q is %s, to RocketMQ %s", s.expression, s.properties, got, answers[i])
		}
		counts[answers[i]]++
		if tail {
			counts["with a tail that RocketMQ ignores"]++
		}
	}
	t.Logf("%d samples: %v", len(samples), counts)
	for _, kind := range []string{"true", "false", "null", "failed", "refused"} {
		if counts[kind] < len(samples)/100 {
			t.Errorf("only %d samples are %s; the generator is too narrow", counts[kind], kind)
		}
	}
}

// outcome is what an expression comes to. tail says that something follows the
// expression, which is refused here and ignored by RocketMQ; the outcome is
// that of what stands before it.
func outcome(expression string, properties []string) (result string, tail bool) {
	e, err := filter.Compile(expression)
	var syntax *filter.SyntaxError
	if errors.As(err, &syntax) && syntax.Complete {
		tail, expression = true, expression[:syntax.Offset]
		e, err = filter.Compile(expression)
	}
	if err != nil {
		return "refused", tail
	}
	var props []byte
	for i := 0; i < len(properties); i += 2 {
		props = mq.AppendProperty(props, properties[i], properties[i+1])
	}
	if i := strings.LastIndex(expression, "--"); i >= 0 {
		if _, err := filter.Compile(expression[:i]); err == nil {
			expression = expression[:i] // what follows is a comment, which would swallow what is put behind
		}
	}
	asks := func(format string) bool {
		e, err := filter.Compile(fmt.Sprintf(format, expression))
		return err == nil && e.MatchProperties(props)
	}
	switch {
	case e.MatchProperties(props):
		return "true", tail
	case asks("NOT (%s)"):
		return "false", tail
	case asks("(%s) IS NULL") || asks("((%s) = TRUE) IS NULL"):
		return "null", tail
	}
	return "failed", tail
}

// expressions makes expressions, most of them sound.
type expressions struct{ *rand.Rand }

func (g expressions) one(of ...string) string { return of[g.IntN(len(of))] }

func (g expressions) expression() string {
	s := g.truth(3)
	switch g.IntN(12) {
	case 0: // something is too much or missing
		words := strings.Fields(s)
		i := g.IntN(len(words))
		if g.IntN(2) == 0 {
			words = append(words[:i], words[i+1:]...)
		} else {
			words[i] += " " + g.one("and", "or", "not", "(", ")", "=", "is", "null", "a", "'x'", "5", "-", "+", ",", "in", "like", "#", "'", "/*", "--")
		}
		s = strings.Join(words, " ")
	case 1:
		s = strings.ReplaceAll(s, " ", g.one("  ", "\f", " /* c */ ", "/**/"))
	case 2:
		s += g.one(" -- comment", " ", " b", " b = 1", ")", " /* x */", ";", " .5", "'")
	}
	return s
}

func (g expressions) truth(depth int) string {
	if depth > 0 && g.IntN(2) == 0 {
		l, r := g.truth(depth-1), g.truth(depth-1)
		switch g.IntN(6) {
		case 0:
			return g.one("not", "NOT", "Not") + " ( " + l + " )"
		case 1:
			return "( " + l + " )"
		case 2:
			return "( " + l + " ) = ( " + r + " )"
		default:
			return l + " " + g.one("and", "AND", "or", "OR", "Or") + " " + r
		}
	}
	v := g.value()
	not := g.one("", "", "not ")
	switch g.IntN(10) {
	case 0:
		return v + " is " + not + "null"
	case 1:
		return v + " " + not + g.one("in", "IN") + " ( " + g.texts() + " )"
	case 2:
		return v + " " + not + "between " + g.value() + " and " + g.value()
	case 3:
		return v + " " + not + g.one("contains", "startswith", "ENDSWITH") + " " + g.text()
	case 4:
		return g.one("TRUE", "false", "a", "NULL", "not b", "not true", "c", "not a = 'true'", "a = b = c", "a = 1 = true")
	default:
		return v + " " + g.one("=", "=", "<>", ">", ">=", "<", "<=") + " " + g.value()
	}
}

func (g expressions) value() string {
	switch g.IntN(8) {
	case 0, 1, 2, 3:
		return g.one("a", "b", "c", "a", "b", "A", "$x_1", "TAGS")
	case 4:
		return g.text()
	case 5:
		return g.one("-", "- -", "+", "-") + g.one("a", "b", "1", "2.5", "'x'", "2147483648", "TRUE", "(a)")
	case 6:
		return g.one("TRUE", "false", "null", "( a )", "( 1 )", "'1'", "'true'")
	default:
		return g.one("0", "1", "2", "5", "10", "007", "1.0", "2.5", ".5", "5.", "1e3", "1E-2", "0.0", "1l", "5L", "0l", "2147483647", "2147483648",
			"9223372036854775807", "9223372036854775808", "1e400", "1.5.5", "5a", "0x1F")
	}
}

func (g expressions) text() string {
	return g.one("'x'", "'true'", "''", "'1'", "'it''s'", "'é中'", "'abc'", "'b'", "'2.5'", "' '")
}

func (g expressions) texts() string {
	s := g.text()
	for g.IntN(3) > 0 {
		s += " , " + g.text()
	}
	return s
}

func (g expressions) properties() []string {
	var kv []string
	for _, key := range []string{"a", "b", "c", "A", "$x_1", "TAGS"} {
		if g.IntN(3) > 0 {
			kv = append(kv, key, g.one("1", "1", "2", "5", "10", "0", "-1", "+5", "007", "2.5", "1.0", ".5", "1e3", "x", "abc", "b", "true", "FALSE", "it's", "é中",
				"2147483648", "-2147483648", "9223372036854775807", "9223372036854775808", "NaN", "Infinity", "-Infinity", "inf", "0x1p3", "5f", "5d", "5l", " 5", "5.0 ",
				"1_0", "-0.0", "1e400", "1e-400", "+", "-", ".", " "))
		}
	}
	return kv
}
