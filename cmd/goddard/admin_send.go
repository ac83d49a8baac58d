package main

import (
	"github.com/spf13/cobra"
)

// sendMessage is mqadmin's command for one message; ours is `goddard pub`.
func sendMessage() *cobra.Command {
	o := pubOptions{count: 1}
	c := &cobra.Command{
		Use: "sendMessage", Short: "Send a message", Hidden: true, Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := oneTopic(c, nonEmpty(o.topic)); err != nil {
				return err
			}
			return o.run(c)
		},
	}
	f := c.Flags()
	f.SetNormalizeFunc(fromMqadmin)
	o.door.register(f, "n")
	f.StringVarP(&o.topic, "topic", "t", "", "`TOPIC` to send to")
	f.StringVarP(&o.body, "body", "p", "", "body of the message")
	f.StringVarP(&o.keys, "keys", "k", "", "keys of the message")
	f.StringVarP(&o.tag, "tags", "c", "", "tag of the message")
	o.group = "goddard-admin"
	return c
}

// nonEmpty is a list of text, or of nothing if that is empty.
func nonEmpty(text string) []string {
	if text == "" {
		return nil
	}
	return []string{text}
}
