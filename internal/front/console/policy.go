package console

import "github.com/goddardmq/goddard/internal/mq"

// Kinds of retry policies, in RocketMQ's words.
const (
	policyCustomized  = "CUSTOMIZED"
	policyExponential = "EXPONENTIAL"
)

const (
	// maxRests bounds the rests that a customized policy lists.
	maxRests = 64
	// maxRest is the longest rest between two tries, in milliseconds: a week.
	maxRest = 7 * 24 * 3600 * 1000
)

// checkPolicy says what is wrong with a retry policy. One without numbers has
// the defaults of the broker.
func checkPolicy(p *mq.RetryPolicy) error {
	switch {
	case p == nil:
		return nil
	case p.Type != policyCustomized && p.Type != policyExponential:
		return badRequest("retry_policy.type = %.40q; want %s or %s", p.Type, policyCustomized, policyExponential)
	case p.Type == policyCustomized && p.Exponential != nil, p.Type == policyExponential && p.Customized != nil:
		return badRequest("retry_policy is %s and has the numbers of the other kind; leave those out", p.Type)
	}
	if c := p.Customized; c != nil {
		if len(c.Next) < 1 || len(c.Next) > maxRests {
			return badRequest("retry_policy.customizedRetryPolicy.next has %d rests; want 1 to %d", len(c.Next), maxRests)
		}
		for _, rest := range c.Next {
			if rest < 0 || rest > maxRest {
				return badRequest("retry_policy.customizedRetryPolicy.next has %d; want milliseconds from 0 to %d", rest, int64(maxRest))
			}
		}
	}
	if e := p.Exponential; e != nil {
		switch {
		case e.Initial < 1 || e.Initial > maxRest:
			return badRequest("retry_policy.exponentialRetryPolicy.initial = %d; want milliseconds from 1 to %d", e.Initial, int64(maxRest))
		case e.Max < e.Initial || e.Max > maxRest:
			return badRequest("retry_policy.exponentialRetryPolicy.max = %d; want milliseconds from initial to %d", e.Max, int64(maxRest))
		case e.Multiplier < 1 || e.Multiplier > 100:
			return badRequest("retry_policy.exponentialRetryPolicy.multiplier = %d; want 1 to 100", e.Multiplier)
		}
	}
	return nil
}
