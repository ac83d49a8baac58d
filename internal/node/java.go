package node

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// maxTopicsFile bounds the topics.json that is looked at, in bytes.
const maxTopicsFile = 256 << 20

// shownTopics is how many names a warning lists.
const shownTopics = 10

// warnOfJavaTopics says which topics a Java broker kept in the data directory
// and this one does not know: the log is used as it is, config/ is not.
func (n *Node) warnOfJavaTopics() {
	if n.c.FS != nil {
		return
	}
	file := filepath.Join(n.c.Data, "config", "topics.json")
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var missing []string
	if err == nil && info.Size() <= maxTopicsFile {
		missing, err = n.missingTopics(file)
	}
	if err != nil {
		n.c.Log.Warn("a Java broker's topics cannot be read; create them with `goddard admin topic create`", "file", file, "error", err)
		return
	}
	if len(missing) == 0 {
		return
	}
	n.c.Log.Warn("a Java broker had topics here that this one does not know, so their messages cannot be read; "+
		"create each with `goddard admin topic create TOPIC -r READ-QUEUES -w WRITE-QUEUES` and the numbers in the file, "+
		"and groups and offsets with `goddard admin group create` and `goddard admin offsets reset`",
		"file", file, "topics", len(missing), "names", strings.Join(missing[:min(len(missing), shownTopics)], " "))
}

// missingTopics are the topics of a Java broker's topics.json, but for those
// of the system, that the broker does not have.
func (n *Node) missingTopics(file string) ([]string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var kept struct {
		Topics map[string]any `json:"topicConfigTable"`
	}
	if err := wire.DecodeBody(text, &kept); err != nil {
		return nil, err
	}
	have, _ := n.topics()
	return slices.DeleteFunc(slices.Sorted(maps.Keys(kept.Topics)), func(name string) bool {
		return mq.IsSystemTopic(name) || strings.HasPrefix(name, mq.RetryPrefix) || strings.HasPrefix(name, mq.DLQPrefix) ||
			slices.ContainsFunc(have, func(t mq.Topic) bool { return t.Name == name })
	}), nil
}
