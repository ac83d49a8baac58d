package main

import (
	"bufio"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/goddardmq/goddard/internal/admin"
	"github.com/goddardmq/goddard/internal/node"
	"github.com/goddardmq/goddard/internal/wire"
	"github.com/spf13/cobra"
)

// A password is where a command gets one from: mqadmin's flag, a file, standard
// input, or nowhere, if it is to be made up.
type password struct {
	typed, file string
	generate    bool
	made        string // what was made up
}

// register adds the flags.
func (p *password) register(o *operation) {
	f := o.Flags()
	if o.old {
		f.StringVarP(&p.typed, "password", "p", "", "the password; others on this machine can see it in the list of processes")
		return
	}
	f.StringVar(&p.file, "password-file", "", "`FILE` whose first line is the password; - for standard input")
	f.BoolVar(&p.generate, "generate-password", false, "make a password up and print it once")
}

// find is the password; empty if none was given.
func (p *password) find(in io.Reader, complain io.Writer) (string, error) {
	switch {
	case p.typed != "":
		return p.typed, nil
	case p.generate && p.file != "":
		return "", errors.New("--generate-password and --password-file exclude each other")
	case p.generate:
		p.made = rand.Text()
		return p.made, nil
	case p.file == "":
		return "", nil
	case p.file != "-":
		f, err := os.Open(p.file)
		if err != nil {
			return "", fmt.Errorf("--password-file: %w", err)
		}
		defer f.Close()
		if node.OthersRead(p.file) {
			fmt.Fprintf(complain, "warning: %s: chmod 600 %s\n", readable(p.file), p.file)
		}
		in = f
	}
	line, err := bufio.NewReader(io.LimitReader(in, maxCredentials)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("--password-file: %w", err)
	}
	if line = strings.TrimRight(line, "\r\n"); line == "" {
		return "", errors.New("--password-file: there is no password in its first line")
	}
	return line, nil
}

// tell prints a password that was made up.
func (p *password) tell(o *operation) error {
	if p.made == "" {
		return nil
	}
	_, err := fmt.Fprintln(o.OutOrStdout(), "password: "+p.made)
	return err
}

func userCreate(s spelling) *cobra.Command {
	o := s.operation("Create a user", "goddard admin user create alice --password-file alice.txt")
	o.targets()
	var u wire.UserInfo
	var p password
	p.register(o)
	o.Flags().StringVarP(&u.UserType, "type", "t", "", "Normal, who may do what policies allow, or Super, who may do everything (default Normal)")
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		var err error
		if u.Password, err = p.find(o.InOrStdin(), o.ErrOrStderr()); err != nil {
			return err
		}
		if u.Password == "" {
			return errors.New("the password is missing; give --password-file FILE, or --generate-password")
		}
		brokers, err := c.CreateUser(ctx, o.target, u)
		if err != nil {
			return err
		}
		return cmp.Or(o.changed(brokers, "create user to %s success.", "created user %s on %s", u.Username, names(brokers)), p.tell(o))
	}, wanted{"username", "u", "USER", &u.Username})
}

func userUpdate(s spelling) *cobra.Command {
	o := s.operation("Change a user's password, type or status", "goddard admin user update alice --status disable")
	o.targets()
	var u wire.UserInfo
	var p password
	p.register(o)
	f := o.Flags()
	f.StringVarP(&u.UserType, "type", "t", "", "Normal or Super")
	f.StringVarP(&u.UserStatus, "status", "s", "", "enable or disable")
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		flags := []string{"password-file", "generate-password", "type", "status"}
		if o.old {
			flags = []string{"password", "type", "status"}
		}
		if err := o.changes(flags...); err != nil {
			return err
		}
		var err error
		if u.Password, err = p.find(o.InOrStdin(), o.ErrOrStderr()); err != nil {
			return err
		}
		brokers, err := c.UpdateUser(ctx, o.target, u)
		if err != nil {
			return err
		}
		return cmp.Or(o.changed(brokers, "update user to %s success.", "changed user %s on %s", u.Username, names(brokers)), p.tell(o))
	}, wanted{"username", "u", "USER", &u.Username})
}

func userDelete(s spelling) *cobra.Command {
	o := s.operation("Delete a user and its policies", "goddard admin user delete alice")
	o.targets()
	var name string
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		brokers, err := c.DeleteUser(ctx, o.target, name)
		if err != nil {
			return err
		}
		return o.changed(brokers, "delete user to %s success.", "deleted user %s on %s", name, names(brokers))
	}, wanted{"username", "u", "USER", &name})
}

func userGet(s spelling) *cobra.Command {
	o := s.operation("Show a user", "goddard admin user get alice")
	o.targets()
	var name string
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		found, err := c.User(ctx, o.target, name)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return fmt.Errorf("there is no user %s; `goddard admin user list` shows those there are", name)
		}
		if o.old {
			return o.print(found, o.userSheet(found[:1]))
		}
		return o.print(found, userTable(found))
	}, wanted{"username", "u", "USER", &name})
}

func userList(s spelling) *cobra.Command {
	o := s.operation("List users", "goddard admin user list")
	o.targets()
	var filter string
	o.Flags().StringVarP(&filter, "filter", "f", "", "only users with this in their name")
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		found, err := c.Users(ctx, o.target, filter)
		if err != nil {
			return err
		}
		if !o.old {
			return o.print(found, userTable(found))
		}
		s := o.userSheet(found)
		if len(found) > 0 && o.target.Addr == "" {
			s.line("get user from %s success.", found[0].Broker.Addr)
		}
		return o.print(found, s)
	})
}

// userTable lists users; nobody is shown a password.
func userTable(found []admin.PlacedUser) *table {
	t := newTable("USER", "TYPE", "STATUS", "BROKER")
	for _, u := range found {
		t.add(u.Username, u.UserType, u.UserStatus, names([]admin.Broker{u.Broker}))
	}
	return t
}

func userCopy(s spelling) *cobra.Command {
	o := s.operation("Copy a user from one broker to another", "goddard admin user copy alice --from 10.0.0.5:10911 --to 10.0.0.6:10911 --password-file alice.txt")
	o.Long = o.Short + `.

Goddard's brokers tell a password to the user of inner-credentials alone: who copies from
one as another user needs it again, unless the other broker has the user already. RocketMQ's brokers tell it.`
	var from, to, users string
	var p password
	if !o.old {
		p.register(o)
	}
	f := o.Flags()
	f.StringVarP(&from, "from", o.letter("f"), "", "the broker to copy from, host:port")
	f.StringVarP(&to, "to", o.letter("t"), "", "the broker to copy to, host:port")
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		if from == "" || to == "" {
			return errors.New("name both brokers: --from and --to, host:port")
		}
		secret, err := p.find(o.InOrStdin(), o.ErrOrStderr())
		if err != nil {
			return err
		}
		all := strings.FieldsFunc(users, func(r rune) bool { return r == ',' })
		if len(all) == 0 {
			found, err := c.Users(ctx, admin.Target{Addr: from}, "")
			if err != nil {
				return err
			}
			for _, u := range found {
				all = append(all, u.Username)
			}
		}
		for _, name := range all {
			if err := c.CopyUser(ctx, from, to, name, secret); err != nil {
				return err
			}
		}
		if o.old {
			s := o.sheet()
			for _, name := range all {
				s.line("copy user of %s from %s to %s success.", name, from, to)
			}
			return o.print(all, s)
		}
		return cmp.Or(o.done(all, "copied %s from %s to %s", strings.Join(all, ", "), from, to), p.tell(o))
	}, wanted{"usernames", "u", "[USER,USER]", &users})
}
