package rpc

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"slices"

	"github.com/goddardmq/goddard/internal/wire"
)

// Credentials are who a client is: the access key is the user's name, the secret
// key the password, the token what a third party gave. The zero value is nobody.
type Credentials struct {
	AccessKey, SecretKey, SecurityToken string
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
)

// sign adds to a request who sends it, and the proof: base64 of the HMAC-SHA1 of
// the values of all fields in the order of their keys, and of the body.
func (c Credentials) sign(cmd *wire.Command) {
	cmd.Fields = slices.DeleteFunc(cmd.Fields, func(f wire.Field) bool { // of an earlier try
		k := string(f.Key)
		return k == fieldAccessKey || k == fieldSecurityToken || k == fieldSignature
	})
	cmd.Fields = cmd.Fields.Add(fieldAccessKey, c.AccessKey)
	if c.SecurityToken != "" {
		cmd.Fields = cmd.Fields.Add(fieldSecurityToken, c.SecurityToken)
	}
	order := make([]int, len(cmd.Fields))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return bytes.Compare(cmd.Fields[a].Key, cmd.Fields[b].Key) })
	mac := hmac.New(sha1.New, []byte(c.SecretKey))
	for n, i := range order {
		if n+1 < len(order) && bytes.Equal(cmd.Fields[i].Key, cmd.Fields[order[n+1]].Key) {
			continue // of fields of one name the last counts
		}
		mac.Write(cmd.Fields[i].Value)
	}
	mac.Write(cmd.Body)
	for _, chunk := range cmd.Chunks {
		mac.Write(chunk)
	}
	cmd.Fields = cmd.Fields.Add(fieldSignature, base64.StdEncoding.EncodeToString(mac.Sum(nil)))
}
