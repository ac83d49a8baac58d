package broker

import (
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/goddardmq/goddard/internal/mq"
)

// kept is what was changed while the broker ran.
type kept struct {
	configured map[string]string // by RocketMQ's names; set once
	settings   mq.KeptSettings   // guarded by Broker.changing
	unkept     bool              // the row is older; guarded by Broker.changing
}

// loadKept puts the settings in force that were changed while the broker ran
// last, as far as its configuration is still the same.
func (b *Broker) loadKept() error {
	b.changing.Lock()
	defer b.changing.Unlock()
	b.kept.configured = textsOf(&b.opts().Options)
	var stored mq.KeptSettings
	if err := scanJSON(b, keptRow, func(_ string, k mq.KeptSettings) { stored = k }); err != nil {
		return err
	}
	holds, changed, unknown := stored.Hold(b.kept.configured)
	gone := len(changed) + len(unknown)
	for _, key := range slices.Sorted(maps.Keys(holds)) {
		next := b.opts().Options
		err := next.change(map[string]string{key: holds[key].Value})
		if err == nil {
			err = b.store.Change(next.Store)
		}
		if err != nil {
			b.opts().Log.Warn("a setting that was changed while the broker ran is no longer possible; what is configured is in force", "setting", key, "error", err)
			delete(holds, key)
			gone++
			continue
		}
		b.live.Store(newLive(next))
	}
	b.kept.settings = holds
	b.applyLogLevel()
	if len(holds) > 0 {
		b.opts().Log.Info("settings that were changed while the broker ran go before its configuration; `goddard admin broker config reset` undoes them",
			"settings", holds)
	}
	if len(changed) > 0 {
		b.opts().Log.Info("the configuration has changed since these settings were, and goes before them", "settings", changed)
	}
	if len(unknown) > 0 {
		b.opts().Log.Warn("settings that were changed while the broker ran are none of this version, and are dropped", "settings", unknown)
	}
	if gone == 0 {
		return nil
	}
	return b.storeKeptLocked()
}

func (b *Broker) storeKeptLocked() error {
	err := b.setJSON(keptRow, b.kept.settings)
	if b.keepLater(err) {
		b.kept.unkept = true
		return nil
	}
	if err != nil {
		return fmt.Errorf("settings cannot be kept for the next start: %w", err)
	}
	b.kept.unkept = false
	return nil
}

// keepSettings writes the row of the settings if it is behind them.
func (b *Broker) keepSettings() error {
	b.changing.Lock()
	defer b.changing.Unlock()
	if !b.kept.unkept {
		return nil
	}
	return b.storeKeptLocked()
}

// textsOf are all settings in RocketMQ's names.
func textsOf(o *Options) map[string]string {
	all := map[string]string{}
	for f, v := range settings(reflect.ValueOf(o).Elem()) {
		all[settingName(f)] = settingText(f, v)
	}
	return all
}
