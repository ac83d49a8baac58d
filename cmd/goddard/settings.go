package main

import (
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/goddardmq/goddard/internal/node"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// settings are the flags of a command that starts something: -c for a file,
// and one flag for each setting of docs/CONFIG.md.
type settings struct {
	file   string
	flags  map[string]string
	plain  bool           // no letters but -c, which the command has other uses for
	warned []node.Warning // what load found to have no effect

	readable []string // files with secrets that everybody may read
}

// register adds the flags. Those named are shown by --help, the others work
// all the same.
func (s *settings) register(c *cobra.Command, shown ...string) {
	s.flags = map[string]string{}
	f := c.Flags()
	f.StringVarP(&s.file, "config", "c", "", "`FILE` of settings; RocketMQ's broker.conf and namesrv.conf work as they are")
	for _, setting := range node.Settings() {
		if setting.Secret { // the list of processes shows flags to everybody
			continue
		}
		short := ""
		if setting.Name == "namesrv" && !s.plain {
			short = "n"
		}
		f.VarP(settingFlag{setting.Name, s.flags}, setting.Name, short, setting.Doc())
		if setting.Truth() {
			f.Lookup(setting.Name).NoOptDefVal = "true"
		}
		f.Lookup(setting.Name).Hidden = !slices.Contains(shown, setting.Name)
	}
}

// load reads file, environment and flags, and warns on w about what has no effect.
func (s *settings) load(role node.Role, w io.Writer) (node.Config, error) {
	c, warnings, err := node.Load(node.Source{Role: role, File: s.file, Env: os.Environ(), Flags: s.flags})
	s.warned = warnings
	for _, warning := range warnings {
		fmt.Fprintf(w, "warning: %v\n", warning)
	}
	if err == nil {
		for _, name := range c.ReadableByOthers(s.file) {
			s.readable = append(s.readable, name)
			fmt.Fprintf(w, "warning: %s: chmod 600 %s\n", readable(name), name)
		}
	}
	c.Log, c.Level = node.NewLog(c, w)
	return c, err
}

// readable says what is wrong with a file of secrets.
func readable(name string) string {
	return name + " has a secret in it and everybody on this machine may read it"
}

// counted is a number of things in words.
func counted(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}

// print writes what the sources amount to.
func (s *settings) print(c *cobra.Command, role node.Role, important bool) error {
	conf, err := s.load(role, c.ErrOrStderr())
	if err != nil {
		return err
	}
	if err := conf.Validate(); err != nil {
		return err
	}
	return node.Print(c.OutOrStdout(), conf, important)
}

// A settingFlag is the flag of one setting; its text is parsed by node.Load.
type settingFlag struct {
	name string
	into map[string]string
}

var _ pflag.Value = settingFlag{}

// String is part of pflag.Value.
func (f settingFlag) String() string { return f.into[f.name] }

// Type is part of pflag.Value.
func (f settingFlag) Type() string { return "VALUE" }

// Set is part of pflag.Value.
func (f settingFlag) Set(text string) error {
	f.into[f.name] = text
	return nil
}
