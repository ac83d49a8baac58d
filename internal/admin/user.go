package admin

import (
	"context"
	"fmt"

	"github.com/goddardmq/goddard/internal/wire"
)

// A PlacedUser is a user as one broker has it.
type PlacedUser struct {
	Broker Broker `json:"broker"`
	wire.UserInfo
}

// CreateUser creates a user on a target's masters, which it returns.
func (c *Cluster) CreateUser(ctx context.Context, to Target, u wire.UserInfo) ([]Broker, error) {
	return c.eachMaster(ctx, to, func(addr string) error { return c.putUser(ctx, addr, wire.AuthCreateUser, u) })
}

// UpdateUser changes what of a user is set in u.
func (c *Cluster) UpdateUser(ctx context.Context, to Target, u wire.UserInfo) ([]Broker, error) {
	return c.eachMaster(ctx, to, func(addr string) error { return c.putUser(ctx, addr, wire.AuthUpdateUser, u) })
}

func (c *Cluster) putUser(ctx context.Context, addr string, code wire.Code, u wire.UserInfo) error {
	req := wire.NewRequest(code, &wire.AuthCreateUserRequest{Username: u.Username})
	req.Body = wire.EncodeBody(u)
	_, err := c.call(ctx, addr, req)
	return err
}

// DeleteUser deletes a user, with its policies.
func (c *Cluster) DeleteUser(ctx context.Context, to Target, name string) ([]Broker, error) {
	return c.eachMaster(ctx, to, func(addr string) error {
		_, err := c.call(ctx, addr, wire.NewRequest(wire.AuthDeleteUser, &wire.AuthDeleteUserRequest{Username: name}))
		return err
	})
}

// Users lists the users that have filter in their name. Java's brokers tell
// their passwords, which are left out.
func (c *Cluster) Users(ctx context.Context, of Target, filter string) ([]PlacedUser, error) {
	return ofMasters(ctx, c, of, func(b Broker) (all []PlacedUser, err error) {
		resp, err := c.call(ctx, b.Addr, wire.NewRequest(wire.AuthListUser, &wire.AuthListUserRequest{Filter: filter}))
		if err != nil {
			return nil, err
		}
		var users []wire.UserInfo
		if err := decodeIfAny(resp, &users); err != nil {
			return nil, fmt.Errorf("users of %s: %w", b.Addr, err)
		}
		for _, u := range users {
			u.Password = ""
			all = append(all, PlacedUser{b, u})
		}
		return all, nil
	})
}

// User is one user as a target's masters have it; none if none has.
func (c *Cluster) User(ctx context.Context, of Target, name string) ([]PlacedUser, error) {
	return ofMasters(ctx, c, of, func(b Broker) ([]PlacedUser, error) {
		u, err := c.userOf(ctx, b.Addr, name)
		if err != nil || u == nil {
			return nil, err
		}
		u.Password = ""
		return []PlacedUser{{b, *u}}, nil
	})
}

// userOf is a user of a broker; nil if it has none of the name.
func (c *Cluster) userOf(ctx context.Context, addr, name string) (*wire.UserInfo, error) {
	resp, err := c.call(ctx, addr, wire.NewRequest(wire.AuthGetUser, &wire.AuthGetUserRequest{Username: name}))
	if err != nil {
		return nil, err
	}
	var u wire.UserInfo
	if err := decodeIfAny(resp, &u); err != nil || u.Username == "" {
		return nil, err
	}
	return &u, nil
}

// CopyUser copies a user from one broker to another, where it is created or
// changed. Goddard's brokers tell nobody a password: then it has to be given.
func (c *Cluster) CopyUser(ctx context.Context, from, to, name, password string) error {
	u, err := c.userOf(ctx, from, name)
	if err != nil {
		return err
	}
	if u == nil {
		return fmt.Errorf("%s has no user %s; `goddard admin user list -b %s` shows those it has", from, name, from)
	}
	if password != "" {
		u.Password = password
	}
	there, err := c.userOf(ctx, to, name)
	if err != nil {
		return err
	}
	if there != nil {
		return c.putUser(ctx, to, wire.AuthUpdateUser, *u)
	}
	if u.Password == "" {
		return fmt.Errorf("%s does not tell the password of %s, without which it cannot be created on %s; give it with --password-file", from, name, to)
	}
	return c.putUser(ctx, to, wire.AuthCreateUser, *u)
}

// eachMaster does something on a target's masters, which it returns.
func (c *Cluster) eachMaster(ctx context.Context, to Target, do func(addr string) error) ([]Broker, error) {
	brokers, err := c.Masters(ctx, to)
	if err != nil {
		return nil, err
	}
	for _, b := range brokers {
		if err := do(b.Addr); err != nil {
			return nil, err
		}
	}
	return brokers, nil
}

// ofMasters is what a target's masters answer, one after the other.
func ofMasters[T any](ctx context.Context, c *Cluster, of Target, ask func(Broker) ([]T, error)) (all []T, err error) {
	brokers, err := c.Masters(ctx, of)
	for _, b := range brokers {
		found, err := ask(b)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, err
}

// decodeIfAny decodes a body; there is none where nothing was found.
func decodeIfAny(resp *wire.Command, into any) error {
	if len(resp.Body) == 0 {
		return nil
	}
	return wire.DecodeBody(resp.Body, into)
}
