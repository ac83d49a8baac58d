package mq

// A PullDeniedError is an ErrDenied of a pull that says who denies it.
type PullDeniedError struct {
	By     DenyingParty
	Remark string
}

// A DenyingParty is what keeps a group from pulling, as RocketMQ numbers it in
// its answers.
type DenyingParty int32

// What may deny a pull.
const (
	DeniedByBroker       DenyingParty = 1
	DeniedByGroup        DenyingParty = 2 // consumption is suspended (consumeEnable)
	DeniedByTopic        DenyingParty = 3
	DeniedToBroadcasting DenyingParty = 4
	DeniedBySubscription DenyingParty = 5 // the topic is forbidden to the group
)

// Error is RocketMQ's remark.
func (d *PullDeniedError) Error() string { return ErrDenied.Error() + ": " + d.Remark }

// Unwrap is ErrDenied.
func (d *PullDeniedError) Unwrap() error { return ErrDenied }
