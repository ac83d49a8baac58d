package wire

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// EncodeProperties writes the properties text of configuration requests, sorted
// by key, one key=value per line, escaped so that Java reads back the same.
func EncodeProperties(m map[string]string) []byte {
	var b []byte
	for _, k := range slices.Sorted(maps.Keys(m)) {
		b = appendProperty(b, k, true)
		b = append(b, '=')
		b = appendProperty(b, m[k], false)
		b = append(b, '\n')
	}
	return b
}

func appendProperty(b []byte, s string, key bool) []byte {
	const digits = "0123456789ABCDEF"
	for i, r := range s {
		switch {
		case r == '\\', key && strings.ContainsRune("=:#!", r), r == ' ' && (key || i == 0):
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, '\\', 'n')
		case r == '\r':
			b = append(b, '\\', 'r')
		case r == '\t':
			b = append(b, '\\', 't')
		case r == '\f':
			b = append(b, '\\', 'f')
		case r >= ' ' && r < utf8.RuneSelf:
			b = append(b, byte(r))
		default:
			for _, u := range utf16.AppendRune(nil, r) {
				b = append(b, '\\', 'u', digits[u>>12], digits[u>>8&15], digits[u>>4&15], digits[u&15])
			}
		}
	}
	return b
}

// A Property is one key and value of a properties text.
type Property struct {
	Key, Value string
	Line       int // where its key stands, from 1
}

// DecodeProperties reads Java's .properties format: # and ! begin comments, =, :
// or white space separate key and value, a backslash at the end continues the
// line. What is not ASCII may be UTF-8 or escaped. An error names the line.
func DecodeProperties(text []byte) ([]Property, error) {
	var all []Property
	for n, rest := 1, strings.TrimPrefix(string(text), "\ufeff"); rest != ""; {
		line, lines, tail := logicalLine(rest)
		rest = tail
		if line != "" && line[0] != '#' && line[0] != '!' {
			key, value := splitPropertyLine(line)
			k, err := unescapeProperty(key)
			v, err2 := unescapeProperty(value)
			switch err = errors.Join(err, err2); {
			case err != nil:
				return nil, fmt.Errorf("line %d: %w", n, err)
			case k == "":
				return nil, fmt.Errorf("line %d: no key before %.100q; write key=value", n, line)
			}
			all = append(all, Property{k, v, n})
		}
		n += lines
	}
	return all, nil
}

// PropertyMap is the last value of each key.
func PropertyMap(all []Property) map[string]string {
	m := make(map[string]string, len(all))
	for _, p := range all {
		m[p.Key] = p.Value
	}
	return m
}

const propertySpace = " \t\f"

// logicalLine cuts off the first line with those that continue it, without the
// white space in front of each.
func logicalLine(s string) (line string, lines int, rest string) {
	var b strings.Builder
	for s != "" {
		end, next := len(s), len(s)
		if i := strings.IndexAny(s, "\r\n"); i >= 0 {
			end, next = i, i+1
			if strings.HasPrefix(s[i:], "\r\n") {
				next++
			}
		}
		part := strings.TrimLeft(s[:end], propertySpace)
		s = s[next:]
		lines++
		comment := b.Len() == 0 && part != "" && (part[0] == '#' || part[0] == '!')
		if slashes := len(part) - len(strings.TrimRight(part, `\`)); slashes%2 == 1 && !comment {
			b.WriteString(part[:len(part)-1])
			continue
		}
		b.WriteString(part)
		break
	}
	return b.String(), lines, s
}

func splitPropertyLine(line string) (key, value string) {
	i := 0
	for i < len(line) && !strings.ContainsRune("=:"+propertySpace, rune(line[i])) {
		if line[i] == '\\' {
			i++
		}
		i++
	}
	i = min(i, len(line))
	value = strings.TrimLeft(line[i:], propertySpace)
	if value != "" && (value[0] == '=' || value[0] == ':') {
		value = strings.TrimLeft(value[1:], propertySpace)
	}
	return line[:i], value
}

func unescapeProperty(s string) (string, error) {
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
		switch c := s[i]; c {
		case 't':
			b.WriteByte('\t')
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		case 'f':
			b.WriteByte('\f')
		case 'u':
			buf, n := appendEscaped(nil, readOnlyBytes(s[i-1:]))
			if n == 0 {
				return "", fmt.Errorf("malformed \\u escape in %.100q", s)
			}
			b.Write(buf)
			i += n - 2
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), nil
}
