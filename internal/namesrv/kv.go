package namesrv

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

// maxKVBytes bounds the keys and values of the key-value configuration, so that
// a namespace fits into one answer.
const maxKVBytes = 8 << 20

// A kvConfig is the key-value configuration: strings by namespace and key. The
// file holds {"configTable":{namespace:{key:value}}}, as RocketMQ's does, and is
// replaced as a whole; a crash leaves the old or the new one.
type kvConfig struct {
	path string // empty: in memory only

	// mu guards the values and, for changes, the file.
	mu struct {
		sync.RWMutex
		values map[string]map[string]string
	}
}

// kvFile is the file's content.
type kvFile struct {
	ConfigTable map[string]map[string]string `json:"configTable"`
}

// openKVConfig reads path; a missing file is an empty configuration.
func openKVConfig(path string) (*kvConfig, error) {
	k := &kvConfig{path: path}
	k.mu.values = map[string]map[string]string{}
	if path == "" {
		return k, nil
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return k, nil
	}
	if err != nil {
		return nil, fmt.Errorf("key-value configuration: %w", err)
	}
	var f kvFile
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, fmt.Errorf("key-value configuration %s is not readable: %w; repair it, or move it away to start with an empty one", path, err)
	}
	for ns, kv := range f.ConfigTable {
		if kv != nil {
			k.mu.values[ns] = kv
		}
	}
	return k, nil
}

func (k *kvConfig) get(namespace, key string) (string, bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	v, ok := k.mu.values[namespace][key]
	return v, ok
}

// list copies a namespace; false if it was never written to.
func (k *kvConfig) list(namespace string) (map[string]string, bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	kv, ok := k.mu.values[namespace]
	return maps.Clone(kv), ok
}

// put sets a value; it is on disk when put returns without an error.
func (k *kvConfig) put(namespace, key, value string) error {
	if namespace == "" || key == "" {
		return errors.New("namespace or key is null; give both")
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	old, had := k.mu.values[namespace][key]
	kv := k.mu.values[namespace]
	if kv == nil {
		kv = map[string]string{}
		k.mu.values[namespace] = kv
	}
	kv[key] = value
	err := k.saveLocked()
	if err == nil {
		return nil
	}
	if had {
		kv[key] = old
	} else {
		delete(kv, key)
	}
	return err
}

// remove deletes a value; deleting what is not there is no error.
func (k *kvConfig) remove(namespace, key string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	kv := k.mu.values[namespace]
	old, ok := kv[key]
	if !ok {
		return nil
	}
	delete(kv, key)
	err := k.saveLocked()
	if err != nil {
		kv[key] = old
	}
	return err
}

// saveLocked checks the size and replaces the file.
func (k *kvConfig) saveLocked() error {
	size := 0
	for ns, kv := range k.mu.values {
		size += len(ns)
		for key, v := range kv {
			size += len(key) + len(v)
		}
	}
	if size > maxKVBytes {
		return fmt.Errorf("the key-value configuration would have %d bytes, more than %d; delete what is no longer needed", size, maxKVBytes)
	}
	if k.path == "" {
		return nil
	}
	data, err := json.MarshalIndent(kvFile{k.mu.values}, "", "\t")
	if err != nil {
		panic("BUG: strings cannot be encoded: " + err.Error())
	}
	if err := replaceFile(k.path, append(data, '\n')); err != nil {
		return fmt.Errorf("key-value configuration was not stored: %w", err)
	}
	return nil
}

// replaceFile writes data beside path, syncs it and renames it to path.
func replaceFile(path string, data []byte) (err error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, filepath.Base(path)+".new-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// sortedKeys are the keys of m in order.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
