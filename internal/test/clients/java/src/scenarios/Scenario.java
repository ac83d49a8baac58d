package scenarios;

/** One behaviour that every server must show. It fails by throwing. */
interface Scenario {
    void run(Case c) throws Exception;
}
