package broker

import (
	"fmt"
	"strings"

	"github.com/goddardmq/goddard/internal/mq"
)

// checkLiteMessage says why a message cannot go to the lite topic that it
// names. What comes back to a consumer, or is a dead letter, lies there no more.
func checkLiteMessage(live *live, t *topic, seen *properties) error {
	if strings.HasPrefix(t.Name, mq.RetryPrefix) || strings.HasPrefix(t.Name, mq.DLQPrefix) {
		return nil
	}
	name := string(seen.liteName)
	if err := mq.CheckLite(name); err != nil {
		return err
	}
	if err := checkLiteTopic(live, t); err != nil {
		return fmt.Errorf("%w: %w", mq.ErrMessageIllegal, err)
	}
	switch kind := seen.kind(); {
	case kind != kindLite:
		return fmt.Errorf("%w: a message for a lite topic (%s) is of type %s as well; leave one of them out", mq.ErrMessageIllegal, mq.PropLiteTopic, kind)
	case seen.qos == qosZero:
		return fmt.Errorf("%w: a message for a lite topic (%s) has %s = 0; leave one of them out", mq.ErrMessageIllegal, mq.PropLiteTopic, mq.PropQoS)
	case seen.LightQueues != nil && string(seen.LightQueues) != mq.LiteQueue(t.Name, name):
		return fmt.Errorf("%w: a message for a lite topic (%s) names light queues (%s) as well; leave one of them out", mq.ErrMessageIllegal, mq.PropLiteTopic, mq.PropMultiDispatch)
	}
	return nil
}

// dispatchLite lets a message lie in the light queue of its lite topic as well.
func dispatchLite(m *mq.Message, t *topic, seen *properties) {
	if mq.HasLightQueues(t.Name) {
		m.Properties = mq.AppendSettingProperty(nil, m.Properties, mq.PropMultiDispatch, mq.LiteQueue(t.Name, string(seen.liteName)))
	}
}
