package auth

import (
	"errors"
	"strings"
	"testing"

	"github.com/goddardmq/goddard/internal/mq"
)

func TestServersWithTheSameInnerCredentialsBelieveEachOther(t *testing.T) {
	const inner = `{"accessKey":"inner","secretKey":"innersecret"}`
	server := func(inner Secret) *Access {
		a, err := Open(nil, Options{Authentication: true, InitUser: `{"username":"root","password":"rootsecret"}`, InnerCredentials: inner})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { a.Close() })
		return a
	}
	a, b := server(inner), server(inner)
	root := mq.Caller{User: "root"}
	proof := a.Vouch("root", "to b")
	if err := b.Vouched(root, proof, "call", "root", "to b"); err != nil {
		t.Errorf("what a says is not believed: %v", err)
	}
	revoked := server(inner)
	another := Secret("anothersecret")
	if err := revoked.UpdateUser(root, "inner", UserChange{Secret: &another}); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		at    *Access
		by    mq.Caller
		proof []byte
		parts []string
		want  string
	}{
		"other words":               {b, root, proof, []string{"root", "to c"}, "the proof is wrong"},
		"words cut elsewhere":       {b, root, proof, []string{"roott", "o b"}, "the proof is wrong"},
		"nothing":                   {b, root, nil, []string{"root", "to b"}, "the proof is wrong"},
		"another secret":            {server(`{"accessKey":"inner","secretKey":"innersecreT"}`), root, proof, []string{"root", "to b"}, "the proof is wrong"},
		"no inner user":             {server(""), root, proof, []string{"root", "to b"}, "has no inner-credentials"},
		"an inner user that is out": {revoked, root, proof, []string{"root", "to b"}, "not the one of this server any more"},
		"of nobody here":            {b, mq.Caller{User: "eve"}, proof, []string{"root", "to b"}, "User:eve is not found"},
		"of a server itself":        {b, mq.Caller{User: ownName}, proof, []string{"root", "to b"}, "is not found"},
	} {
		t.Run(name, func(t *testing.T) {
			err := tt.at.Vouched(tt.by, tt.proof, "call", tt.parts...)
			if !errors.Is(err, ErrUnauthenticated) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
	if proof := server("").Vouch("root"); proof != nil {
		t.Error("a server without inner-credentials vouches")
	}
}
