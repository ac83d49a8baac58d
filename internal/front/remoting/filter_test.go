package remoting

import (
	"reflect"
	"testing"
)

func TestTagFiltersCanBeCompared(t *testing.T) {
	f, err := tagFilter("a || b")
	if err != nil || !reflect.TypeOf(f).Comparable() {
		t.Errorf("%T, %v", f, err)
	}
}
