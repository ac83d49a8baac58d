package scenarios;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.lang.reflect.Field;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.commons.cli.Option;
import org.apache.commons.cli.Options;
import org.apache.rocketmq.acl.common.AclClientRPCHook;
import org.apache.rocketmq.acl.common.SessionCredentials;
import org.apache.rocketmq.remoting.RPCHook;
import org.apache.rocketmq.tools.command.MQAdminStartup;
import org.apache.rocketmq.tools.command.SubCommand;

/** Runs commands of the published mqadmin in this process and returns what they print. */
final class Mqadmin {
    /** For how long a command that goes on for ever is watched, in milliseconds. */
    private static final long WATCHED = 3000;

    String run(String[] args) throws Exception {
        return run(args, null);
    }

    /** Runs a command whose requests somebody signs. */
    String runAs(String user, String secret, String[] args) throws Exception {
        return run(args, new AclClientRPCHook(new SessionCredentials(user, secret)));
    }

    private String run(String[] args, RPCHook hook) throws Exception {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        PrintStream to = new PrintStream(bytes, true, StandardCharsets.UTF_8);
        PrintStream out = System.out;
        PrintStream err = System.err;
        System.setOut(to);
        System.setErr(to);
        try {
            known().clear(); // commands keep clients that they have closed
            MQAdminStartup.main0(args, hook);
        } finally {
            System.setOut(out);
            System.setErr(err);
        }
        return bytes.toString(StandardCharsets.UTF_8);
    }

    /** Runs a command that does not end by itself and returns what it has printed until it is interrupted. */
    String watch(String[] args) throws Exception {
        StringBuilder printed = new StringBuilder();
        Thread running = new Thread(() -> {
            try {
                printed.append(run(args));
            } catch (Exception e) {
                printed.append(e);
            }
        });
        running.start();
        Thread.sleep(WATCHED);
        running.interrupt();
        running.join();
        int interrupted = printed.indexOf("org.apache.rocketmq.tools.command.SubCommandException");
        return interrupted < 0 ? printed.toString() : printed.substring(0, interrupted);
    }

    /** Returns mqadmin's own list of its commands, which each run fills again. */
    private static List<?> known() throws ReflectiveOperationException {
        for (String name : new String[] {"SUB_COMMANDS", "subCommandList", "SUB_COMMAND_LIST"}) { // 5.x, 4.x
            try {
                Field field = MQAdminStartup.class.getDeclaredField(name);
                field.setAccessible(true);
                return (List<?>) field.get(null);
            } catch (NoSuchFieldException e) {
                // of another version
            }
        }
        throw new NoSuchFieldException("the list of MQAdminStartup's commands");
    }

    /** Lists all commands with their options, in the form of cmd/goddard/testdata/mqadmin-5.5.0.flags. */
    String commands() throws Exception {
        MQAdminStartup.initCommand();
        Map<String, String> all = new LinkedHashMap<>();
        for (Object each : known()) {
            SubCommand command = (SubCommand) each;
            StringBuilder lines = new StringBuilder();
            for (Object o : command.buildCommandlineOptions(new Options()).getOptions()) {
                Option option = (Option) o;
                lines.append(" ");
                if (option.getOpt() != null) {
                    lines.append(" -").append(option.getOpt());
                }
                lines.append(" --").append(option.getLongOpt().trim().replace(' ', '_'));
                lines.append(option.hasArg() ? " arg" : "").append(option.isRequired() ? " required" : "").append("\n");
            }
            all.put(command.commandName(), lines.toString());
        }
        StringBuilder text = new StringBuilder();
        all.forEach((name, lines) -> text.append(name).append("\n").append(lines));
        return text.toString();
    }
}
