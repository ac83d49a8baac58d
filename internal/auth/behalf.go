package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/netip"

	"github.com/goddardmq/goddard/internal/mq"
)

// asking begins what the process proves to itself with its own secret.
const asking = "goddard asks for\n"

// Behalf proves to this process itself that it asks for a user at another address,
// who reached it by another way than the request takes: the console. The proof
// holds until the process ends.
func (a *Access) Behalf(user string, from netip.Addr) (text, proof string) {
	text = from.Unmap().WithZone("").String()
	mac := hmac.New(sha256.New, []byte(a.own.Secret))
	mac.Write([]byte(asking + user + "\n" + text))
	return text, hex.EncodeToString(mac.Sum(nil))
}

// From is a caller at the address that a request names with a proof of Behalf; as
// it is if the proof is none.
func (a *Access) From(by mq.Caller, text, proof string) mq.Caller {
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return by
	}
	if _, want := a.Behalf(by.User, addr); hmac.Equal([]byte(proof), []byte(want)) {
		by.Addr = netip.AddrPortFrom(addr, 0)
	}
	return by
}
