package rpc

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"slices"

	"github.com/goddardmq/goddard/internal/wire"
)

// Credentials are who a client is: the access key is the user's name, the secret
// key the password, the token what a third party gave. The zero value is nobody.
type Credentials struct {
	AccessKey, SecretKey, SecurityToken string

	// From is the address at which the user is, if another than the request comes
	// from, and FromProof is what convinces the server of that.
	From, FromProof string
}

// String names the user and hides the rest.
func (c Credentials) String() string { return "User:" + c.AccessKey }

// GoString is String, so that no way of printing shows the secret.
func (c Credentials) GoString() string { return c.String() }

// Hook signs requests, for ClientOptions; nil for nobody.
func (c Credentials) Hook() func(*wire.Command) {
	if c.AccessKey == "" {
		return nil
	}
	return c.sign
}

// Fields that a signature adds to a header.
const (
	fieldAccessKey     = "AccessKey"
	fieldSecurityToken = "SecurityToken"
	fieldSignature     = "Signature"

	// FieldFrom and FieldFromProof are ours.
	FieldFrom      = "GoddardFrom"
	FieldFromProof = "GoddardFromProof"
)

// sign adds to a request who sends it, and the proof: base64 of the HMAC-SHA1 of
// the values of all fields in the order of their keys, and of the body.
func (c Credentials) sign(cmd *wire.Command) {
	cmd.Fields = slices.DeleteFunc(cmd.Fields, func(f wire.Field) bool { // of an earlier try
		k := string(f.Key)
		return k == fieldAccessKey || k == fieldSecurityToken || k == fieldSignature || k == FieldFrom || k == FieldFromProof
	})
	cmd.Fields = cmd.Fields.Add(fieldAccessKey, c.AccessKey)
	if c.SecurityToken != "" {
		cmd.Fields = cmd.Fields.Add(fieldSecurityToken, c.SecurityToken)
	}
	if c.From != "" {
		cmd.Fields = cmd.Fields.Add(FieldFrom, c.From).Add(FieldFromProof, c.FromProof)
	}
	var order Signature
	if order.sort(cmd.Fields) != nil {
		return // no server would look at it
	}
	mac := hmac.New(sha1.New, []byte(c.SecretKey))
	for _, i := range order.order {
		mac.Write(cmd.Fields[i].Value)
	}
	mac.Write(cmd.Body)
	for _, chunk := range cmd.Chunks {
		mac.Write(chunk)
	}
	cmd.Fields = cmd.Fields.Add(fieldSignature, base64.StdEncoding.EncodeToString(mac.Sum(nil)))
}

// maxSignedFields bounds the fields of a signed request; RocketMQ's requests have
// a dozen.
const maxSignedFields = 128

// fieldKeyQuery is left out of what is signed by clients up to 4.9.3.
const fieldKeyQuery = "_UNIQUE_KEY_QUERY"

// A Signature is what a request says about who sent it. The slices alias the
// request and the memory of the Signature, which Read uses again.
type Signature struct {
	User  []byte   // empty if the request is not signed
	MAC   []byte   // empty if there is none that can be read
	Parts [][]byte // what is signed, one after the other

	mac   [sha1.Size + 1]byte // base64 of 20 bytes claims room for 21
	order []int
}

// Read looks for a request's signature. An error says that it has too many fields.
func (g *Signature) Read(req *wire.Command) error {
	g.User, g.MAC, g.Parts = nil, nil, g.Parts[:0]
	if err := g.sort(req.Fields); err != nil {
		return err
	}
	for _, i := range g.order {
		f := &req.Fields[i]
		switch string(f.Key) {
		case fieldSignature:
			g.decode(f.Value)
			continue
		case fieldAccessKey:
			g.User = f.Value
		case fieldKeyQuery:
			if req.Version <= wire.V4_9_3 {
				continue
			}
		}
		g.Parts = append(g.Parts, f.Value)
	}
	g.Parts = append(g.Parts, req.Body)
	return nil
}

// decode reads base64 that is no longer than a signature.
func (g *Signature) decode(text []byte) {
	if base64.StdEncoding.DecodedLen(len(text)) > len(g.mac) {
		return
	}
	if n, err := base64.StdEncoding.Decode(g.mac[:], text); err == nil {
		g.MAC = g.mac[:n]
	}
}

// sort lists the fields in the order of their keys, of those with the same key
// the last.
func (g *Signature) sort(fields wire.Fields) error {
	if len(fields) > maxSignedFields {
		return fmt.Errorf("the header has %d fields, at most %d are looked at in a signed request", len(fields), maxSignedFields)
	}
	order := g.order[:0]
	for i := range fields {
		at := len(order)
		for at > 0 && bytes.Compare(fields[order[at-1]].Key, fields[i].Key) > 0 {
			at--
		}
		if at > 0 && bytes.Equal(fields[order[at-1]].Key, fields[i].Key) {
			order[at-1] = i
			continue
		}
		order = append(order, 0)
		copy(order[at+1:], order[at:])
		order[at] = i
	}
	g.order = order
	return nil
}
