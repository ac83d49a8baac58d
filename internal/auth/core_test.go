package auth

import (
	"net/netip"
	"testing"
)

func entry(t *testing.T, resource, actions, decision string, sources ...string) Entry {
	t.Helper()
	text := EntryText{Resource: resource, Decision: decision, SourceIPs: sources}
	for _, a := range splitComma(actions) {
		text.Actions = append(text.Actions, a)
	}
	e, err := text.parse()
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func splitComma(text string) (all []string) {
	for i, start := 0, 0; i <= len(text); i++ {
		if i == len(text) || text[i] == ',' {
			all = append(all, text[start:i])
			start = i + 1
		}
	}
	return all
}

func TestTheNarrowestEntryThatFitsDecides(t *testing.T) {
	here, there := netip.MustParseAddr("10.1.2.3"), netip.MustParseAddr("192.0.2.1")
	e := func(resource, actions, decision string, sources ...string) Entry {
		return entry(t, resource, actions, decision, sources...)
	}
	for _, tt := range []struct {
		name     string
		custom   []Entry
		defaults []Entry
		want     Need
		from     netip.Addr
		decision Decision
		reason   Reason
		by       string
	}{
		{"nothing is allowed without a policy", nil, nil, Need{TopicNamed("T"), Pub}, here, Deny, NoPolicy, ""},
		{"a name", []Entry{e("Topic:T", "Pub", "Allow")}, nil, Need{TopicNamed("T"), Pub}, here, Allow, CustomEntry, "Topic:T"},
		{"another name", []Entry{e("Topic:T", "Pub", "Allow")}, nil, Need{TopicNamed("T2"), Pub}, here, Deny, NoPolicy, ""},
		{"another action", []Entry{e("Topic:T", "Pub", "Allow")}, nil, Need{TopicNamed("T"), Sub}, here, Deny, NoPolicy, ""},
		{"another type", []Entry{e("Topic:T", "Pub", "Allow")}, nil, Need{GroupNamed("T"), Pub}, here, Deny, NoPolicy, ""},
		{"one of several actions is enough", []Entry{e("Topic:T", "Sub", "Allow")}, nil, Need{TopicNamed("T"), Pub | Sub | Get}, here, Allow, CustomEntry, "Topic:T"},
		{"All stands for every action", []Entry{e("Topic:T", "All", "Allow")}, nil, Need{TopicNamed("T"), Delete}, here, Allow, CustomEntry, "Topic:T"},
		{"Any is whatever there is", []Entry{e("Topic:T", "Get", "Allow")}, nil, Need{TopicNamed("T"), Any}, here, Allow, CustomEntry, "Topic:T"},
		{"a name goes before a prefix", []Entry{e("Topic:T*", "All", "Deny"), e("Topic:Ta", "Pub", "Allow")}, nil, Need{TopicNamed("Ta"), Pub}, here, Allow, CustomEntry, "Topic:Ta"},
		{"a long prefix goes before a short one", []Entry{e("Topic:T*", "All", "Allow"), e("Topic:Tab*", "Pub", "Deny")}, nil, Need{TopicNamed("Tabc"), Pub}, here, Deny, CustomEntry, "Topic:Tab*"},
		{"a prefix goes before all names", []Entry{e("Topic:*", "All", "Deny"), e("Topic:T*", "Pub", "Allow")}, nil, Need{TopicNamed("Ta"), Pub}, here, Allow, CustomEntry, "Topic:T*"},
		{"all names go before everything", []Entry{e("*", "All", "Allow"), e("Topic:*", "Pub", "Deny")}, nil, Need{TopicNamed("T"), Pub}, here, Deny, CustomEntry, "Topic:*"},
		{"everything", []Entry{e("*", "All", "Allow")}, nil, Need{ClusterNamed("C"), Update}, here, Allow, CustomEntry, "*"},
		{"a narrower entry for another action is passed over", []Entry{e("Topic:T*", "Pub", "Allow"), e("Topic:Ta", "Sub", "Deny")}, nil, Need{TopicNamed("Ta"), Pub}, here, Allow, CustomEntry, "Topic:T*"},
		{"a custom entry goes before a narrower default one", []Entry{e("Topic:*", "Pub", "Allow")}, []Entry{e("Topic:T", "Pub", "Deny")}, Need{TopicNamed("T"), Pub}, here, Allow, CustomEntry, "Topic:*"},
		{"default entries count where no custom one fits", []Entry{e("Topic:X", "Pub", "Deny")}, []Entry{e("Topic:*", "Pub", "Allow")}, Need{TopicNamed("T"), Pub}, here, Allow, DefaultEntry, "Topic:*"},
		{"a source", []Entry{e("Topic:T", "Pub", "Allow", "10.0.0.0/8", "172.16.0.1")}, nil, Need{TopicNamed("T"), Pub}, here, Allow, CustomEntry, "Topic:T"},
		{"another source", []Entry{e("Topic:T", "Pub", "Allow", "10.0.0.0/8")}, nil, Need{TopicNamed("T"), Pub}, there, Deny, NoPolicy, ""},
		{"an entry for another source is passed over", []Entry{e("Topic:T", "Pub", "Deny", "192.0.2.0/24"), e("Topic:*", "Pub", "Allow")}, nil, Need{TopicNamed("T"), Pub}, here, Allow, CustomEntry, "Topic:*"},
		{"no address fits no source", []Entry{e("Topic:T", "Pub", "Allow", "10.0.0.0/8")}, nil, Need{TopicNamed("T"), Pub}, netip.Addr{}, Deny, NoPolicy, ""},
		{"all topics together need all names", []Entry{e("Topic:T*", "List", "Allow")}, nil, Need{Resource{Type: Topic}, List}, here, Deny, NoPolicy, ""},
		{"all topics together", []Entry{e("Topic:*", "List", "Allow")}, nil, Need{Resource{Type: Topic}, List}, here, Allow, CustomEntry, "Topic:*"},
		{"a retry topic is its group's", []Entry{e("Group:G", "Sub", "Allow")}, nil, Need{TopicNamed("%RETRY%G"), Sub}, here, Allow, CustomEntry, "Group:G"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, turned := range []bool{false, true} {
				a := &ACL{append([]Entry(nil), tt.custom...), append([]Entry(nil), tt.defaults...)}
				if turned { // the order of entries says nothing
					reverse(a.Custom)
					reverse(a.Default)
				}
				got := a.decide(tt.want, tt.from)
				if got.Decision != tt.decision || got.Reason != tt.reason || tt.by != "" && got.Entry.Resource.String() != tt.by {
					t.Errorf("decided %+v, want %v for reason %d by %q", got, tt.decision, tt.reason, tt.by)
				}
			}
		})
	}
}

func reverse(entries []Entry) {
	for i, j := 0, len(entries)-1; i < j; i, j = i+1, j-1 {
		entries[i], entries[j] = entries[j], entries[i]
	}
}

func TestResourcesAreReadAsTheyAreWritten(t *testing.T) {
	for _, text := range []string{"*", "Topic:*", "Topic:T", "Topic:T*", "Group:%RETRY%x", "Cluster:DefaultCluster", "Topic:%DLQ%g"} {
		r, err := ParseResource(text)
		if err != nil || r.String() != text {
			t.Errorf("%s became %v, %v", text, r, err)
		}
	}
	for _, text := range []string{"", "T", "Topic:", "Queue:T", "Topic:a*b", "Topic:**", "Any:*"} {
		if r, err := ParseResource(text); err == nil {
			t.Errorf("%q was read as %v", text, r)
		}
	}
}

func TestIPv4SourcesFitHoweverTheyAreWritten(t *testing.T) {
	for text, want := range map[string]string{"::ffff:10.0.0.0/104": "10.0.0.0/8", "::ffff:10.1.2.3": "10.1.2.3/32", "10.1.2.3/8": "10.0.0.0/8", "::ffff:10.1.2.3/128": "10.1.2.3/32", "2001:db8::1/32": "2001:db8::/32"} {
		if p, err := parseSource(text); err != nil || p.String() != want {
			t.Errorf("%s is %v, %v", text, p, err)
		}
	}
	if p, err := parseSource("::ffff:10.0.0.0/80"); err == nil {
		t.Errorf("a source that would fit nothing is %v", p)
	}
}
