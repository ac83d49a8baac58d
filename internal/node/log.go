package node

import (
	"io"
	"log/slog"
)

// Values of Config.LogFormat.
const (
	LogText = "text"
	LogJSON = "json"
)

// NewLog is a log of the configured format on w, and what its level follows.
func NewLog(c Config, w io.Writer) (*slog.Logger, *slog.LevelVar) {
	level := new(slog.LevelVar)
	level.Set(c.LogLevel)
	o := &slog.HandlerOptions{Level: level}
	if c.LogFormat == LogJSON {
		return slog.New(slog.NewJSONHandler(w, o)), level
	}
	return slog.New(slog.NewTextHandler(w, o)), level
}
