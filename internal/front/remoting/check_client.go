package remoting

// CHECK_CLIENT_CONFIG (46): a consumer asks at its start whether the broker can
// serve a subscription.

import "github.com/goddardmq/goddard/internal/wire"

// checkClient refuses a subscription that a pull would refuse.
func checkClient(s *session, req *wire.Command) (*wire.Command, error) {
	var body wire.CheckClientBody
	if err := wire.DecodeBody(req.Body, &body); err != nil {
		return nil, malformed(req, err)
	}
	if sub := body.Subscription; sub != nil {
		if _, err := s.parsedFilter(sub.SubString, sub.ExpressionType); err != nil {
			return nil, err
		}
	}
	return ok(req, nil, nil), nil
}
