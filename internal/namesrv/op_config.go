package namesrv

import (
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/wire"
)

// UPDATE_NAMESRV_CONFIG(318), GET_NAMESRV_CONFIG(319). The settings are those
// of RocketMQ's that mean something here. An update goes before what is
// configured at the next start. It is refused as a whole if it names a setting
// that cannot change; RocketMQ reports success for those, and for names it does
// not know.

// blackList are the settings that nobody may change from afar.
const blackList = "configBlackList;configStorePath;kvConfigPath"

// A property is a setting under RocketMQ's name.
type property struct {
	key   string
	value any // *string, *int, *bool, *inverse, *millis or *seconds
	live  bool
}

// Spellings of properties.
type (
	inverse bool          // true means false
	millis  time.Duration // a number of milliseconds
	seconds time.Duration // a number of seconds
)

// properties are o's settings.
func (o *Options) properties() []property {
	all := []property{
		{"bindAddress", &o.Listen, false},
		{"deleteTopicWithBrokerRegistration", &o.DropTopics, true},
		{"enableAllTopicList", (*inverse)(&o.HideAllTopics), true},
		{"enableTopicList", (*inverse)(&o.HideTopics), true},
		{"kvConfigPath", &o.KVConfigPath, false},
		{"listenPort", &o.Port, false},
		{"needWaitForService", &o.WaitForService, true},
		{"notifyMinBrokerIdChanged", &o.NotifyMinBrokerID, true},
		{"orderMessageEnable", &o.OrderTopics, true},
		{"returnOrderTopicConfigToBroker", (*inverse)(&o.HideOrderTopics), true},
		{"scanNotActiveBrokerInterval", (*millis)(&o.ScanInterval), false},
		{"supportActingMaster", &o.ActingMaster, true},
		{"waitSecondsForService", (*seconds)(&o.WaitTime), true},
	}
	if o.Level != nil {
		all = append(all, property{"log-level", &o.LogLevel, true})
	}
	return all
}

// texts are o's settings as they are written.
func (o *Options) texts() map[string]string {
	all := map[string]string{}
	for _, p := range o.properties() {
		all[p.key] = p.text()
	}
	return all
}

// Defaults are the name server's settings as they are if nobody sets them, by
// RocketMQ's names, and which of them can change while it runs.
func Defaults() (texts map[string]string, live map[string]bool) {
	o := Options{}.WithDefaults()
	live = map[string]bool{}
	for _, p := range o.properties() {
		live[p.key] = p.live
	}
	return o.texts(), live
}

func (p property) text() string {
	switch v := p.value.(type) {
	case *string:
		return *v
	case *int:
		return strconv.Itoa(*v)
	case *bool:
		return strconv.FormatBool(*v)
	case *inverse:
		return strconv.FormatBool(!bool(*v))
	case *millis:
		return strconv.FormatInt(time.Duration(*v).Milliseconds(), 10)
	case *seconds:
		return strconv.FormatInt(int64(time.Duration(*v)/time.Second), 10)
	case *slog.Level:
		return v.String()
	}
	panic("BUG: property " + p.key + " has no text form")
}

// set changes a live property.
func (p property) set(text string) error {
	switch v := p.value.(type) {
	case *bool, *inverse:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("%s is %q; use true or false", p.key, text)
		}
		if inv, ok := v.(*inverse); ok {
			*inv = inverse(!b)
		} else {
			*v.(*bool) = b
		}
		return nil
	case *seconds:
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n > 86400 {
			return fmt.Errorf("%s is %q; use a number of seconds up to 86400", p.key, text)
		}
		*v = seconds(time.Duration(n) * time.Second)
		return nil
	case *slog.Level:
		if v.UnmarshalText([]byte(text)) != nil {
			return fmt.Errorf("%s is %q; use debug, info, warn or error", p.key, text)
		}
		return nil
	}
	return fmt.Errorf("%s cannot be changed while the name server runs", p.key)
}

func (s *Server) getConfig(_ *rpc.Conn, cmd *wire.Command) *wire.Command {
	s.mu.Lock()
	o := *s.options.Load()
	kept := s.settings.kept.String()
	s.mu.Unlock()
	o.Port = int(s.Addr().Port())
	texts := o.texts()
	texts[mq.SettingsKept] = kept
	if o.Settings != nil {
		texts = o.Settings(texts)
	}
	return withBody(cmd, nil, wire.EncodeProperties(texts))
}

func (s *Server) updateConfig(c *rpc.Conn, cmd *wire.Command) *wire.Command {
	properties, err := wire.DecodeProperties(cmd.Body)
	if err != nil {
		return invalid(cmd, err)
	}
	wanted := wire.PropertyMap(properties)
	for key := range strings.SplitSeq(blackList, ";") {
		if _, ok := wanted[key]; ok {
			return cmd.ReplyError(wire.CodeNoPermission, "Can not update config in black list.")
		}
	}
	s.mu.Lock()
	o := *s.options.Load()
	old := o.texts()
	if err = o.change(wanted); err == nil {
		err = s.settings.change(wanted, o.texts())
	}
	if err == nil {
		s.options.Store(&o)
		s.mu.table.rules = o.rules()
		o.applyLogLevel()
	}
	s.mu.Unlock()
	if err != nil {
		return invalid(cmd, err)
	}
	now := o.texts()
	for _, key := range sortedKeys(wanted) {
		s.log.Info("changed a setting; it goes before the configuration when the name server is started again",
			"setting", key, "old", old[key], "new", now[key], "by", c.RemoteAddr().String())
	}
	return cmd.Reply(wire.CodeSuccess, nil)
}

// applyLogLevel lets the log follow the setting.
func (o *Options) applyLogLevel() {
	if o.Level != nil {
		o.Level.Set(o.LogLevel)
	}
}

// change sets what is wanted, by RocketMQ's names; on an error o is unusable.
func (o *Options) change(wanted map[string]string) error {
	var errs []error
	known := map[string]property{}
	for _, p := range o.properties() {
		known[p.key] = p
	}
	for _, key := range sortedKeys(wanted) {
		switch p, ok := known[key]; {
		case !ok:
			errs = append(errs, fmt.Errorf("this name server has no setting %s", key))
		case !p.live:
			errs = append(errs, fmt.Errorf("%s cannot be changed while the name server runs", key))
		default:
			errs = append(errs, p.set(wanted[key]))
		}
	}
	return errors.Join(errs...)
}
