// Narayana's coordinator of REST-AT, two-phase commit over HTTP, as its own tests serve it: RESTEasy on Undertow. Its log is what Narayana takes
// by default: a file for each transaction, on the disk before the commit goes on. Arguments: a port of 127.0.0.1, a folder.
import com.arjuna.ats.arjuna.common.CoreEnvironmentBean;
import com.arjuna.ats.arjuna.common.ObjectStoreEnvironmentBean;
import com.arjuna.common.internal.util.propertyservice.BeanPopulator;
import io.undertow.Undertow;
import org.jboss.jbossts.star.service.TMApplication;
import org.jboss.resteasy.plugins.server.undertow.UndertowJaxrsServer;

class Coordinator {
    /** A commit holds one until its participants have answered. Undertow's own number for two cores is 16. */
    private static final int WORKER_THREADS = 256;

    public static void main(String[] args) throws Exception {
        BeanPopulator.getDefaultInstance(CoreEnvironmentBean.class).setNodeIdentifier("bench");
        for (String store : new String[] {null, "communicationStore", "stateStore"}) {
            ObjectStoreEnvironmentBean bean = store == null
                ? BeanPopulator.getDefaultInstance(ObjectStoreEnvironmentBean.class)
                : BeanPopulator.getNamedInstance(ObjectStoreEnvironmentBean.class, store);
            bean.setObjectStoreDir(args[1]);
        }
        UndertowJaxrsServer server = new UndertowJaxrsServer();
        server.start(Undertow.builder()
            .addHttpListener(Integer.parseInt(args[0]), "127.0.0.1")
            .setWorkerThreads(WORKER_THREADS));
        server.deploy(new TMApplication());
    }
}
