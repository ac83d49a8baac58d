package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"github.com/goddardmq/goddard/internal/node"
	"github.com/goddardmq/goddard/internal/rpc"
)

// maxCredentials bounds a file of credentials, in bytes.
const maxCredentials = 64 << 10

// Variables of the environment that name who a client command is.
const (
	envAccessKey = "ROCKETMQ_ACCESS_KEY"
	envSecretKey = "ROCKETMQ_SECRET_KEY"
	envHome      = "ROCKETMQ_HOME"
)

// credentials is who a client command is: flags, else the environment, else the
// file of mqadmin's.
type credentials struct{ accessKey, secretKey, file string }

// register adds the flags.
func (c *credentials) register(f *pflag.FlagSet) {
	f.StringVar(&c.accessKey, "access-key", "", "`USER` to sign requests as (default $"+envAccessKey+")")
	f.StringVar(&c.secretKey, "secret-key", "", "the user's `PASSWORD`; others on this machine can see it in the list of processes (default $"+envSecretKey+")")
	f.StringVar(&c.file, "credentials", "", "`FILE` with accessKey and secretKey as YAML (default $"+envHome+"/conf/tools.yml, if it is there)")
}

// find is who the command is; nobody if nothing says so.
func (c *credentials) find() (rpc.Credentials, error) {
	who := rpc.Credentials{AccessKey: c.accessKey, SecretKey: c.secretKey}
	switch {
	case c.file != "" && (c.accessKey != "" || c.secretKey != ""):
		return who, errors.New("--credentials and --access-key say who you are twice; give one of them")
	case c.file != "":
		if node.OthersRead(c.file) {
			fmt.Fprintf(os.Stderr, "warning: %s: chmod 600 %s\n", readable(c.file), c.file)
		}
		return readCredentials(c.file)
	case who == rpc.Credentials{}:
		who = rpc.Credentials{AccessKey: os.Getenv(envAccessKey), SecretKey: os.Getenv(envSecretKey)}
	case who.SecretKey == "":
		who.SecretKey = os.Getenv(envSecretKey)
	}
	switch {
	case who == rpc.Credentials{}:
		return c.tools()
	case who.AccessKey == "":
		return who, errors.New("a secret key alone says nothing; give the user as well: --access-key or " + envAccessKey)
	case who.SecretKey == "":
		return who, errors.New("the secret key is missing: set " + envSecretKey + ", or write both keys to a file for --credentials")
	}
	return who, nil
}

// tools reads the file of mqadmin's, if it is there.
func (c *credentials) tools() (rpc.Credentials, error) {
	home := os.Getenv(envHome)
	if home == "" {
		return rpc.Credentials{}, nil
	}
	who, err := readCredentials(filepath.Join(home, "conf", "tools.yml"))
	if errors.Is(err, fs.ErrNotExist) {
		return rpc.Credentials{}, nil
	}
	return who, err
}

// readCredentials reads a file as mqadmin has it. Its errors do not quote the
// file, which has a secret in it.
func readCredentials(name string) (rpc.Credentials, error) {
	info, err := os.Stat(name)
	if err != nil {
		return rpc.Credentials{}, fmt.Errorf("the file of credentials cannot be read: %w", err)
	}
	if info.Size() > maxCredentials {
		return rpc.Credentials{}, fmt.Errorf("the file of credentials %s has %d bytes; is it the right one?", name, info.Size())
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return rpc.Credentials{}, fmt.Errorf("the file of credentials cannot be read: %w", err)
	}
	var keys struct {
		AccessKey     string `yaml:"accessKey"`
		SecretKey     string `yaml:"secretKey"`
		SecurityToken string `yaml:"securityToken"`
	}
	if yaml.Unmarshal(text, &keys) != nil || keys.AccessKey == "" || keys.SecretKey == "" {
		return rpc.Credentials{}, fmt.Errorf("the file of credentials %s is not what it should be: want two lines, accessKey: USER and secretKey: PASSWORD", name)
	}
	return rpc.Credentials{AccessKey: keys.AccessKey, SecretKey: keys.SecretKey, SecurityToken: keys.SecurityToken}, nil
}
