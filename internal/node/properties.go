package node

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// maxConfigLine bounds one logical line of a configuration file, in bytes.
const maxConfigLine = 64 << 10

// maxConfigLines bounds a configuration file.
const maxConfigLines = 10_000

// A property is one key and value of a configuration file.
type property struct {
	Key, Value string
	Line       int // where its key stands, from 1
}

// readProperties reads Java properties: key=value, key: value or key value,
// comments after # and !, lines continued by a backslash, \uXXXX escapes.
// RocketMQ's broker.conf and namesrv.conf are such files.
func readProperties(r io.Reader) ([]property, error) {
	var all []property
	sc := bufio.NewScanner(r)
	sc.Buffer(make([]byte, 0, 4096), maxConfigLine)
	for line := 1; sc.Scan(); line++ {
		if line > maxConfigLines {
			return nil, fmt.Errorf("line %d: a configuration file has at most %d lines", line, maxConfigLines)
		}
		text := strings.TrimLeft(strings.TrimSuffix(sc.Text(), "\r"), " \t\f")
		if line == 1 {
			text = strings.TrimPrefix(text, "\ufeff")
		}
		if text == "" || text[0] == '#' || text[0] == '!' {
			continue
		}
		start := line
		for continued(text) && sc.Scan() {
			line++
			text = text[:len(text)-1] + strings.TrimLeft(strings.TrimSuffix(sc.Text(), "\r"), " \t\f")
			if len(text) > maxConfigLine {
				return nil, fmt.Errorf("line %d: longer than %d bytes", start, maxConfigLine)
			}
		}
		p, err := parseProperty(text)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", start, err)
		}
		p.Line = start
		all = append(all, p)
	}
	if err := sc.Err(); err != nil {
		return nil, fmt.Errorf("line %d: %w", len(all)+1, err)
	}
	return all, nil
}

// continued reports whether text ends in an odd number of backslashes.
func continued(text string) bool {
	n := len(text) - len(strings.TrimRight(text, `\`))
	return n%2 == 1
}

// parseProperty cuts a logical line at its first separator.
func parseProperty(text string) (property, error) {
	end := len(text)
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' {
			i++
			continue
		}
		if strings.IndexByte("=: \t\f", text[i]) >= 0 {
			end = i
			break
		}
	}
	rest := strings.TrimLeft(text[end:], " \t\f")
	if rest != "" && (rest[0] == '=' || rest[0] == ':') {
		rest = strings.TrimLeft(rest[1:], " \t\f")
	}
	key, err := unescape(text[:end])
	if err != nil {
		return property{}, err
	}
	value, err := unescape(rest)
	if err != nil {
		return property{}, err
	}
	if key == "" {
		return property{}, fmt.Errorf("no key before %q; write key=value", text[end:])
	}
	return property{Key: key, Value: strings.TrimRight(value, " \t\f")}, nil
}

// unescape resolves backslash escapes as java.util.Properties does.
func unescape(s string) (string, error) {
	if strings.IndexByte(s, '\\') < 0 {
		return s, nil
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		switch s[i] {
		case 't':
			b.WriteByte('\t')
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		case 'f':
			b.WriteByte('\f')
		case 'u':
			if i+4 >= len(s) {
				return "", fmt.Errorf(`\u needs four hexadecimal digits`)
			}
			n, err := strconv.ParseUint(s[i+1:i+5], 16, 16)
			if err != nil {
				return "", fmt.Errorf(`\u%s: want four hexadecimal digits`, s[i+1:i+5])
			}
			b.WriteRune(rune(n))
			i += 4
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), nil
}
