package remoting

// AUTH_CREATE_USER (3001), AUTH_UPDATE_USER (3002), AUTH_DELETE_USER (3003),
// AUTH_GET_USER (3004), AUTH_LIST_USER (3005): users. RocketMQ answers with their
// passwords; here nobody gets one back but who acts for users anyway.

import (
	"github.com/goddardmq/goddard/internal/auth"
	"github.com/goddardmq/goddard/internal/wire"
)

// users is where they are kept; an error if this broker keeps none.
func (s *session) users(req *wire.Command) (*auth.Access, error) {
	if s.h.access == nil {
		return nil, notSupported(req.Code)
	}
	return s.h.access, nil
}

// changed answers a change.
func changed(req *wire.Command, err error) (*wire.Command, error) {
	if err != nil {
		return nil, err
	}
	return ok(req, nil, nil), nil
}

// putUser creates a user.
func putUser(s *session, req *wire.Command) (*wire.Command, error) {
	a, err := s.users(req)
	if err != nil {
		return nil, err
	}
	h, info, err := userOf(req)
	if err != nil {
		return nil, err
	}
	u := auth.User{Name: h.Username, Secret: auth.Secret(info.Password)}
	if info.UserType != "" {
		if u.Type, err = auth.ParseUserType(info.UserType); err != nil {
			return nil, err
		}
	}
	if info.UserStatus != "" {
		if u.Disabled, err = auth.ParseStatus(info.UserStatus); err != nil {
			return nil, err
		}
	}
	return changed(req, a.CreateUser(s.caller(req), u))
}

// changeUser changes what of a user the body has.
func changeUser(s *session, req *wire.Command) (*wire.Command, error) {
	a, err := s.users(req)
	if err != nil {
		return nil, err
	}
	h, info, err := userOf(req)
	if err != nil {
		return nil, err
	}
	var c auth.UserChange
	if info.Password != "" {
		c.Secret = new(auth.Secret(info.Password))
	}
	if info.UserType != "" {
		typ, err := auth.ParseUserType(info.UserType)
		if err != nil {
			return nil, err
		}
		c.Type = &typ
	}
	if info.UserStatus != "" {
		disabled, err := auth.ParseStatus(info.UserStatus)
		if err != nil {
			return nil, err
		}
		c.Disabled = &disabled
	}
	return changed(req, a.UpdateUser(s.caller(req), h.Username, c))
}

// userOf reads a request about a user with its body.
func userOf(req *wire.Command) (h wire.AuthCreateUserRequest, info wire.UserInfo, err error) {
	if err := h.DecodeFields(req.Fields); err != nil {
		return h, info, malformed(req, err)
	}
	if h.Username == "" {
		return h, info, badRequest("The username is blank")
	}
	if err := wire.DecodeBody(req.Body, &info); err != nil {
		// The error may quote the body, which has a password.
		return h, info, refusef(wire.CodeSystemError, "%v cannot be read: the body is no user", req.Code)
	}
	return h, info, nil
}

// deleteUser removes a user with its policies.
func deleteUser(s *session, req *wire.Command) (*wire.Command, error) {
	a, err := s.users(req)
	if err != nil {
		return nil, err
	}
	var h wire.AuthDeleteUserRequest
	if err := h.DecodeFields(req.Fields); err != nil {
		return nil, malformed(req, err)
	}
	return changed(req, a.DeleteUser(s.caller(req), h.Username))
}

// oneUser answers with a user; without a body if there is none, as RocketMQ does.
// As the user of inner-credentials, who is told the password too, RocketMQ's proxy
// asks, which checks its clients' signatures itself.
func oneUser(s *session, req *wire.Command) (*wire.Command, error) {
	a, err := s.users(req)
	if err != nil {
		return nil, err
	}
	var h wire.AuthGetUserRequest
	if err := h.DecodeFields(req.Fields); err != nil {
		return nil, malformed(req, err)
	}
	if h.Username == "" {
		return nil, badRequest("The username is blank")
	}
	u, err := a.User(s.caller(req), h.Username)
	if err != nil {
		return ok(req, nil, nil), nil //nolint:nilerr // as RocketMQ answers for a user that is not there
	}
	return ok(req, nil, wire.EncodeBody(userInfo(u))), nil
}

// listUsers answers with the users that have the filter in their name.
func listUsers(s *session, req *wire.Command) (*wire.Command, error) {
	a, err := s.users(req)
	if err != nil {
		return nil, err
	}
	var h wire.AuthListUserRequest
	if err := h.DecodeFields(req.Fields); err != nil {
		return nil, malformed(req, err)
	}
	var all []wire.UserInfo
	for _, u := range a.Users(h.Filter) {
		all = append(all, userInfo(u))
	}
	if len(all) == 0 {
		return ok(req, nil, nil), nil
	}
	return ok(req, nil, wire.EncodeBody(all)), nil
}

func userInfo(u auth.User) wire.UserInfo {
	return wire.UserInfo{Username: u.Name, Password: string(u.Secret), UserType: u.Type.String(), UserStatus: u.Status()}
}
