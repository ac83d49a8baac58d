package namesrv

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"

	"github.com/goddardmq/goddard/internal/mq"
)

// maxSettingsFile bounds the file of settings, in bytes.
const maxSettingsFile = 64 << 10

// settings are what was changed while the server ran. The file is replaced as a
// whole; a crash leaves the old or the new one.
type settings struct {
	path       string            // empty: in memory only
	configured map[string]string // by RocketMQ's names; set once
	kept       mq.KeptSettings   // guarded by Server.mu
}

// open reads the file and sets in o what holds of it.
func (s *settings) open(o *Options) error {
	s.path, s.configured = o.SettingsPath, o.texts()
	stored, err := s.read()
	if err != nil {
		return err
	}
	holds, changed, unknown := stored.Hold(s.configured)
	gone := len(changed) + len(unknown)
	for _, key := range slices.Sorted(maps.Keys(holds)) {
		next := *o
		if err := next.change(map[string]string{key: holds[key].Value}); err != nil {
			o.Log.Warn("a setting that was changed while the name server ran is no longer possible; what is configured is in force", "setting", key, "error", err)
			delete(holds, key)
			gone++
			continue
		}
		*o = next
	}
	s.kept = holds
	o.applyLogLevel()
	if len(holds) > 0 {
		o.Log.Info("settings that were changed while the name server ran go before its configuration; `goddard admin namesrv config reset` undoes them",
			"settings", holds)
	}
	if len(changed) > 0 {
		o.Log.Info("the configuration has changed since these settings were, and goes before them", "settings", changed)
	}
	if len(unknown) > 0 {
		o.Log.Warn("settings that were changed while the name server ran are none of this version, and are dropped", "settings", unknown)
	}
	if gone == 0 {
		return nil
	}
	return s.write(holds)
}

func (s *settings) read() (mq.KeptSettings, error) {
	if s.path == "" {
		return nil, nil
	}
	data, err := os.ReadFile(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("settings: %w", err)
	}
	var stored mq.KeptSettings
	if len(data) > maxSettingsFile {
		err = fmt.Errorf("it has more than %d bytes", maxSettingsFile)
	} else {
		err = json.Unmarshal(data, &stored)
	}
	if err != nil {
		return nil, fmt.Errorf("settings in %s cannot be read: %w; repair the file, or move it away to go back to what is configured", s.path, err)
	}
	return stored, nil
}

// write replaces the file.
func (s *settings) write(k mq.KeptSettings) error {
	if s.path == "" {
		return nil
	}
	data, err := json.MarshalIndent(k, "", "\t")
	if err != nil {
		panic("BUG: strings cannot be encoded: " + err.Error())
	}
	if err := replaceFile(s.path, append(data, '\n')); err != nil {
		return fmt.Errorf("settings were not stored, and not changed: %w", err)
	}
	return nil
}

// change keeps what is wanted, of which after holds the texts.
func (s *settings) change(wanted, after map[string]string) error {
	texts := map[string]string{}
	for key := range wanted {
		texts[key] = after[key]
	}
	next := s.kept.With(texts, s.configured)
	if err := s.write(next); err != nil {
		return err
	}
	s.kept = next
	return nil
}
