package broker

import (
	"context"
	"encoding"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
)

// live is the settings in force, with what is derived from them. It is replaced
// as a whole.
type live struct {
	Options
	suffix []byte // properties that every message gets
}

func newLive(o Options) *live {
	l := &live{Options: o}
	l.suffix = mq.AppendProperty(l.suffix, mq.PropRegion, o.RegionID)
	l.suffix = mq.AppendProperty(l.suffix, mq.PropTraceOn, strconv.FormatBool(*o.TraceOn))
	l.suffix = mq.AppendProperty(l.suffix, mq.PropCluster, o.Cluster)
	return l
}

// opts are the settings in force.
func (b *Broker) opts() *live { return b.live.Load() }

// Settings are the broker's and the store's settings, in RocketMQ's names where
// it has them, and those that go before what is configured under mq.SettingsKept.
func (b *Broker) Settings(context.Context) map[string]string {
	b.changing.Lock()
	defer b.changing.Unlock()
	all := textsOf(&b.opts().Options)
	all[mq.SettingsKept] = b.kept.settings.String()
	return all
}

// Defaults are the broker's and the store's settings as they are if nobody sets
// them, in the names of Settings, and which of them can change while it runs.
func Defaults() (texts map[string]string, live map[string]bool) {
	o := Options{}.WithDefaults()
	o.Store = o.Store.WithDefaults()
	live = map[string]bool{}
	for f := range settings(reflect.ValueOf(&o).Elem()) {
		live[settingName(f)] = f.Tag.Get("live") != ""
	}
	return textsOf(&o), live
}

// SetSettings changes settings, all or none. They go before what is configured
// when the broker is started again.
func (b *Broker) SetSettings(ctx context.Context, kv map[string]string) error {
	b.changing.Lock()
	defer b.changing.Unlock()
	next := b.opts().Options
	if err := next.change(kv); err != nil {
		return err
	}
	old, before := textsOf(&b.opts().Options), b.kept.settings
	wanted, texts := map[string]string{}, textsOf(&next)
	for key := range kv {
		wanted[key] = texts[key]
	}
	b.kept.settings = before.With(wanted, b.kept.configured)
	if err := b.storeKeptLocked(); err != nil {
		b.kept.settings = before
		return err
	}
	if err := b.store.Change(next.Store); err != nil {
		b.kept.settings = before
		return fmt.Errorf("%w: %w", mq.ErrInvalid, errors.Join(err, b.storeKeptLocked()))
	}
	b.live.Store(newLive(next))
	b.applyLogLevel()
	b.applyTemplate()
	b.logChanges(mq.CallerOf(ctx), kv, old)
	return nil
}

// logChanges says who changed what, a line for each setting.
func (b *Broker) logChanges(by mq.Caller, kv, old map[string]string) {
	now := textsOf(&b.opts().Options)
	for _, key := range slices.Sorted(maps.Keys(kv)) {
		b.opts().Log.Info("changed a setting; it goes before the configuration when the broker is started again",
			"setting", key, "old", old[key], "new", now[key], "by", by.String())
	}
}

// applyLogLevel lets the log follow the setting.
func (b *Broker) applyLogLevel() {
	if o := b.opts(); o.Level != nil {
		o.Level.Set(o.LogLevel)
	}
}

// change sets settings by their names; on an error o is unusable.
func (o *Options) change(kv map[string]string) error {
	type field struct {
		reflect.StructField
		v reflect.Value
	}
	fields := map[string]field{}
	for f, v := range settings(reflect.ValueOf(o).Elem()) {
		fields[settingName(f)] = field{f, v}
	}
	for key, text := range kv {
		f, ok := fields[key]
		switch {
		case !ok:
			return fmt.Errorf("%w: a running broker has no setting %.60s; `goddard admin broker config get` lists those it has", mq.ErrInvalid, key)
		case f.Tag.Get("live") == "":
			if settingText(f.StructField, f.v) != text {
				return fmt.Errorf("%w: %s cannot change while the broker runs; change its configuration and start it again", mq.ErrInvalid, key)
			}
		default:
			if err := setSetting(f.v, strings.TrimSpace(text), unitOf(f.StructField)); err != nil {
				return fmt.Errorf("%w: %s = %.60q: %w", mq.ErrInvalid, key, text, err)
			}
		}
	}
	if _, ok := kv["log-level"]; ok && o.Level == nil {
		return fmt.Errorf("%w: log-level is up to the program that this broker runs in", mq.ErrInvalid)
	}
	if err := o.Validate(); err != nil {
		return fmt.Errorf("%w: %w", mq.ErrInvalid, err)
	}
	return nil
}

// applyTemplate makes or removes the topic that clients take as the template
// of new ones.
func (b *Broker) applyTemplate() {
	have, want := b.topics.table.get(mq.TopicDefault) != nil, *b.opts().AutoCreateTopic
	if have == want {
		return
	}
	b.topics.mu.Lock()
	if want {
		queues := b.opts().TopicQueues
		b.setTopic(mq.Topic{
			Name: mq.TopicDefault, ReadQueues: queues, WriteQueues: queues,
			Perm: mq.PermRead | mq.PermWrite | mq.PermInherit, FilterType: singleTag,
		})
	} else {
		b.topics.table.put(mq.TopicDefault, nil)
	}
	b.topics.mu.Unlock()
	b.topicChanged(mq.TopicDefault)
}

// settings goes through the fields of a struct, and of the structs in it, that
// have a name.
func settings(v reflect.Value) func(yield func(reflect.StructField, reflect.Value) bool) {
	return func(yield func(reflect.StructField, reflect.Value) bool) { walkSettings(v, yield) }
}

func walkSettings(v reflect.Value, yield func(reflect.StructField, reflect.Value) bool) bool {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		switch {
		case f.Tag.Get("conf") != "":
			if !yield(f, v.Field(i)) {
				return false
			}
		case f.IsExported() && f.Type.Kind() == reflect.Struct:
			if !walkSettings(v.Field(i), yield) {
				return false
			}
		}
	}
	return true
}

// settingName is RocketMQ's name of a setting, or ours if it has none.
func settingName(f reflect.StructField) string {
	if name := f.Tag.Get("rocketmq"); name != "" {
		return name
	}
	return f.Tag.Get("conf")
}

// settingText writes a setting as RocketMQ does: times in milliseconds, or in
// hours or seconds where the field says so.
func settingText(f reflect.StructField, v reflect.Value) string {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return ""
		}
		v = v.Elem()
	}
	if f.Tag.Get("secret") != "" && !v.IsZero() {
		return "***"
	}
	if d, ok := v.Interface().(time.Duration); ok {
		return strconv.FormatInt(int64(d/unitOf(f)), 10)
	}
	return fmt.Sprint(v.Interface())
}

// unitOf is the unit that RocketMQ counts a time in.
func unitOf(f reflect.StructField) time.Duration {
	switch f.Tag.Get("unit") {
	case "h":
		return time.Hour
	case "s":
		return time.Second
	}
	return time.Millisecond
}

// setSetting reads what settingText wrote. A pointer gets a new target, for the
// old one belongs to the settings in force.
func setSetting(v reflect.Value, text string, unit time.Duration) error {
	if v.Kind() == reflect.Pointer {
		p := reflect.New(v.Type().Elem())
		if err := setSetting(p.Elem(), text, unit); err != nil {
			return err
		}
		v.Set(p)
		return nil
	}
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if err := u.UnmarshalText([]byte(text)); err != nil {
			return fmt.Errorf("want debug, info, warn or error")
		}
		return nil
	}
	switch v.Kind() {
	case reflect.Bool:
		on, err := strconv.ParseBool(strings.ToLower(text))
		if err != nil {
			return fmt.Errorf("want true or false")
		}
		v.SetBool(on)
	case reflect.Int, reflect.Int32, reflect.Int64:
		n, err := strconv.ParseInt(text, 10, v.Type().Bits())
		if err != nil {
			return fmt.Errorf("want a whole number")
		}
		if v.Type() == reflect.TypeFor[time.Duration]() {
			// An hour in milliseconds, or a hundred years in hours.
			if limit := map[time.Duration]int64{time.Millisecond: 3_600_000, time.Hour: 876_000}[unit]; n > limit || n < -limit {
				return fmt.Errorf("want at most %v, as a number of %v", time.Duration(limit)*unit, unit)
			}
			n *= int64(unit)
		}
		v.SetInt(n)
	case reflect.String:
		v.SetString(text)
	default:
		panic("BUG: live setting of type " + v.Type().String())
	}
	return nil
}
