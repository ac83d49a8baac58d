package wire

import (
	"fmt"
	"strconv"
)

//go:generate go run ./gen

// VersionCurrent is the version that Goddard says it is.
const VersionCurrent = V5_5_0

// A Language is what a peer is written in.
type Language uint8

// String is the name on the wire; an unknown language is OTHER.
func (l Language) String() string {
	if int(l) < len(languageNames) {
		return languageNames[l]
	}
	return languageNames[LanguageOther]
}

// ParseLanguage finds a language by its name; an unknown one is OTHER.
func ParseLanguage(name string) Language {
	for l, n := range languageNames {
		if n == name {
			return Language(l)
		}
	}
	return LanguageOther
}

// String names a request code: SEND_MESSAGE(10).
func (c Code) String() string { return named(requestName(c), c) }

// ResponseString names a response code: TOPIC_NOT_EXIST(17).
func (c Code) ResponseString() string { return named(responseName(c), c) }

func named(name string, c Code) string {
	if name == "" {
		return strconv.Itoa(int(c))
	}
	return fmt.Sprintf("%s(%d)", name, c)
}

// A versionRun is versions that follow each other: for each a snapshot and the
// release.
type versionRun struct {
	first    int32
	prefix   string
	from, to int32
}

// VersionName is the name of the version with an ordinal, V5_5_0 for 513.
func VersionName(ordinal int32) string {
	if ordinal < versionSeries[0].first {
		return "V3_0_0"
	}
	for _, s := range versionSeries {
		if i := ordinal - s.first; i >= 0 && i/2 <= s.to-s.from {
			name := s.prefix + strconv.Itoa(int(s.from+i/2))
			if i%2 == 0 {
				name += "_SNAPSHOT"
			}
			return name
		}
	}
	return "HIGHER_VERSION"
}
