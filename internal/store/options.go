package store

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/goddardmq/goddard/internal/mq"
)

// Limits and defaults that are not worth a setting.
const (
	minSegmentSize     = 4 << 10
	maxSegmentSize     = 1 << 30 // RocketMQ counts in 32 bits with a sign
	defaultSegmentSize = 1 << 30
	maxReadBytes       = 16 << 20
	maxReadMessages    = 1024
	scanLimit          = 16 << 10 // index entries that one Read passes over
	matchBytes         = 8 << 20  // of records that one Read passes over to look at their properties
	matchChunkBytes    = 256 << 10
	matchChunkRecords  = 256
)

// A FlushMode says what Append waits for.
type FlushMode uint8

// The flush modes, with RocketMQ's names.
const (
	FlushAsync FlushMode = iota // ASYNC_FLUSH
	FlushSync                   // SYNC_FLUSH
)

// String is RocketMQ's name of the mode.
func (m FlushMode) String() string {
	if m == FlushSync {
		return "SYNC_FLUSH"
	}
	return "ASYNC_FLUSH"
}

// UnmarshalText accepts RocketMQ's names and "async" and "sync".
func (m *FlushMode) UnmarshalText(text []byte) error {
	switch strings.ToUpper(string(text)) {
	case "ASYNC", "ASYNC_FLUSH":
		*m = FlushAsync
	case "SYNC", "SYNC_FLUSH":
		*m = FlushSync
	default:
		return fmt.Errorf("flush mode %q is neither async (ASYNC_FLUSH) nor sync (SYNC_FLUSH)", text)
	}
	return nil
}

// MarshalText is String.
func (m FlushMode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// Options says how a Store behaves. Only Dir has no default. Fields tagged live
// may be changed by Store.Change.
type Options struct {
	// Dir holds the log and everything derived from it.
	Dir string `conf:"dir" rocketmq:"storePathRootDir"`

	// SegmentSize is the size of a commit log file in bytes, at most 1 GiB. It
	// is fixed when Dir is first used; opening Dir with another size is an
	// error. Default: what Dir was made with, 1 GiB for a new one.
	SegmentSize int64 `conf:"segment-size" rocketmq:"mappedFileSizeCommitLog"`

	// Flush says what Append waits for. Default ASYNC_FLUSH, as in RocketMQ: an
	// acknowledged message can be lost if the machine, not the process, dies
	// within FlushInterval.
	Flush FlushMode `conf:"flush" rocketmq:"flushDiskType"`

	// FlushInterval is the longest time a written byte stays unsynced under
	// ASYNC_FLUSH, and the time between checkpoints. Default 500ms.
	FlushInterval time.Duration `conf:"flush-interval" rocketmq:"flushIntervalCommitLog" unit:"ms"`

	// MaxInFlight is how many bytes may be on their way to the disk; beyond
	// that messages are refused because the broker is busy. Default 64 MiB.
	MaxInFlight int64 `conf:"max-in-flight"`

	// MaxReadBytes is how many bytes of messages one pull returns at most, but
	// for a single message that is larger. Default 256 KiB.
	MaxReadBytes int `conf:"max-read-bytes" rocketmq:"maxTransferBytesOnMessageInMemory"`

	// Retention is how long messages are kept: a full segment is removed when
	// its newest message is older. Default 72h.
	Retention time.Duration `conf:"retention" rocketmq:"fileReservedTime" unit:"h" live:"true"`

	// DeleteHour restricts that to certain hours of the day, local time, such
	// as 04 or 04;16. Default: old segments are removed at any hour.
	DeleteHour string `conf:"delete-hour" rocketmq:"deleteWhen" live:"true"`

	// DiskMaxUsed is the share of the disk in percent from which on DeleteHour
	// no longer holds back what Retention allows to remove. Default 75.
	DiskMaxUsed int `conf:"disk-max-used" rocketmq:"diskMaxUsedSpaceRatio" live:"true"`

	// DiskForceClean is the share of the disk in percent from which on the
	// oldest segments are removed whatever their age. Default 85; 100 never
	// does.
	DiskForceClean int `conf:"disk-force-clean" rocketmq:"diskSpaceCleanForciblyRatio" live:"true"`

	// DiskStopWrites is the share of the disk in percent from which on messages
	// are refused. Default 100, which leaves the decision to Reserve: a share
	// says little where disks are large.
	DiskStopWrites int `conf:"disk-stop-writes" rocketmq:"diskSpaceWarningLevelRatio" live:"true"`

	// Reserve is how many bytes must stay free on the disk; messages are
	// refused before less would be left, and accepted again as soon as there is
	// more. Default 256 MiB.
	Reserve int64 `conf:"disk-reserve" live:"true"`

	// MaxLightQueues bounds the light queues (topics named %LMQ%…) whose
	// messages are in the log. RocketMQ's default is 20000, which it enforces only
	// if asked to; here one costs some 50 bytes per message on disk, and memory
	// only while it is used. Default 10000000.
	MaxLightQueues int64 `conf:"max-light-queues" rocketmq:"maxLmqConsumeQueueNum" live:"true"`

	// KeyIndex says whether messages can be found by key, unique key and tag.
	// Switched on again, it indexes what was stored meanwhile. Default true.
	KeyIndex *bool `conf:"key-index" rocketmq:"messageIndexEnable"`

	// StoreHost is the broker's address as it is written into messages and
	// their ids.
	StoreHost netip.AddrPort

	// Appended is told which messages became readable, in the order of the
	// log, never twice at the same time. It must be quick and not keep the
	// slice. Nil if nobody wants to know.
	Appended func([]Appended)

	// Published is called after Appended, when the senders have been told. With
	// hurry others wait for the goroutine; otherwise it may be held up a little.
	Published func(hurry bool)

	// LightMade is told of a light queue that is new, before its first message
	// is stored, and once more if the index is rebuilt. It may be that none is,
	// and it must not call the store but for Keys. Nil if nobody wants to know.
	LightMade func(topic string)

	// LightsGone is told of light queues whose last message left the log; their
	// names are those of their topics. It must not call the store's Forget. Nil if
	// nobody wants to know.
	LightsGone func(topics []string)

	// MayRemove is asked before a segment that ends below a position is
	// removed; false keeps it, to be asked again in a second. It must be quick.
	// Nil allows everything.
	MayRemove func(below mq.LogPos) bool

	// FS is the file system. Nil means the operating system's; tests pass a
	// crashable one.
	FS vfs.FS

	// Log receives what an operator should read. Nil discards it.
	Log *slog.Logger
}

// Appended says that a message can be read.
type Appended struct {
	Queue     mq.Queue
	Offset    mq.QueueOffset
	TagCode   int64
	StoreTime int64 // Unix milliseconds
	// Record is the stored message, and Send what it came with, alone or as one of
	// several; valid during the call.
	Record []byte
	Send   *mq.Send
}

// Validate reports every bad field at once, each by the name the operator typed.
func (o Options) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if o.Dir == "" {
		bad("dir is missing: say where the data shall lie")
	}
	if o.SegmentSize != 0 && (o.SegmentSize < minSegmentSize || o.SegmentSize > maxSegmentSize) {
		bad("segment-size is %d, must be between %d and %d", o.SegmentSize, minSegmentSize, maxSegmentSize)
	}
	if o.FlushInterval < 0 || o.FlushInterval > time.Hour {
		bad("flush-interval is %s, must be between 1ms and 1h", o.FlushInterval)
	}
	if o.Retention < 0 {
		bad("retention is %s, must be positive", o.Retention)
	}
	if o.MaxInFlight < 0 || o.Reserve < 0 {
		bad("max-in-flight and disk-reserve must not be negative")
	}
	if o.MaxLightQueues < 0 {
		bad("max-light-queues is %d, must be 1 or more", o.MaxLightQueues)
	}
	if o.MaxReadBytes < 0 || o.MaxReadBytes > maxReadBytes {
		bad("max-read-bytes is %d, must be between 1 and %d", o.MaxReadBytes, maxReadBytes)
	}
	for name, percent := range map[string]int{
		"disk-max-used": o.DiskMaxUsed, "disk-force-clean": o.DiskForceClean, "disk-stop-writes": o.DiskStopWrites,
	} {
		if percent < 0 || percent > 100 {
			bad("%s is %d, must be a share in percent", name, percent)
		}
	}
	if _, err := parseHours(o.DeleteHour); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// WithDefaults fills in what was left zero, but for SegmentSize.
func (o Options) WithDefaults() Options {
	set(&o.FlushInterval, 500*time.Millisecond)
	set(&o.MaxInFlight, 64<<20)
	set(&o.MaxReadBytes, 256<<10)
	set(&o.Retention, 72*time.Hour)
	set(&o.DiskMaxUsed, 75)
	set(&o.DiskForceClean, 85)
	set(&o.DiskStopWrites, 100)
	set(&o.Reserve, 256<<20)
	set(&o.MaxLightQueues, 10_000_000)
	if o.KeyIndex == nil {
		on := true
		o.KeyIndex = &on
	}
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

func set[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// parseHours reads "04" or "04;16". No hours means any.
func parseHours(text string) (hours []int, err error) {
	for part := range strings.SplitSeq(text, ";") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		hour, err := strconv.Atoi(part)
		if err != nil || hour < 0 || hour > 23 {
			return nil, fmt.Errorf("delete-hour is %q, must be hours such as 04 or 04;16", text)
		}
		hours = append(hours, hour)
	}
	return hours, nil
}
