package against

import (
	"net"
	"os/exec"
	"testing"
)

func TestTwoNetworksHaveServersAtTheSameAddress(t *testing.T) {
	addr := "127.0.0.1:0"
	var networks [2]*Network
	var servers [2]net.Listener
	for i := range networks {
		n, err := NewNetwork()
		if err != nil {
			t.Skipf("no network namespaces here: %v", err)
		}
		defer n.Close()
		networks[i] = n
		if err := n.Do(func() (err error) { servers[i], err = net.Listen("tcp", addr); return err }); err != nil {
			t.Fatal(err)
		}
		defer servers[i].Close()
		addr = servers[i].Addr().String()
	}
	for i, n := range networks {
		var client net.Conn
		if err := n.Do(func() (err error) { client, err = net.Dial("tcp", addr); return err }); err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		server, err := servers[i].Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		if server.RemoteAddr().String() != client.LocalAddr().String() {
			t.Errorf("network %d: %v called, %v came", i, client.LocalAddr(), server.RemoteAddr())
		}
	}
}

func TestAProgramLivesInTheNetworkThatItWasStartedIn(t *testing.T) {
	n, err := NewNetwork()
	if err != nil {
		t.Skipf("no network namespaces here: %v", err)
	}
	defer n.Close()
	of := func(do func(func() error) error) (text string) {
		if err := do(func() error {
			out, err := exec.Command("readlink", "/proc/self/ns/net").Output()
			text = string(out)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return text
	}
	here := func(f func() error) error { return f() }
	before := of(here)
	if inside := of(n.Do); inside == before || inside != of(n.Do) {
		t.Errorf("it is in %q, others are in %q", inside, before)
	}
	if after := of(here); after != before {
		t.Errorf("afterwards in %q instead of %q", after, before)
	}
}
