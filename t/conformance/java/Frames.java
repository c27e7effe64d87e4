import java.lang.reflect.Constructor;
import java.lang.reflect.Method;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;

import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.message.ApiMessageType;
import org.apache.kafka.common.message.RequestHeaderData;
import org.apache.kafka.common.message.ResponseHeaderData;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.ObjectSerializationCache;
import org.apache.kafka.common.protocol.types.BoundField;
import org.apache.kafka.common.protocol.types.Field;
import org.apache.kafka.common.protocol.types.Schema;
import org.apache.kafka.common.protocol.types.TaggedFields;
import org.apache.kafka.common.record.internal.MemoryRecords;

/**
 * t/data/kafka-clients.hex: frames that Kafka's generated message classes write.
 *
 *     java -cp CLASSPATH Frames.java KEY... >t/data/kafka-clients.hex
 *
 * A message of every version of each API, with random values in all fields that the
 * version has; and one with every field at its default and one such element in every
 * array of structs.
 */
public class Frames {
    private static final Random random = new Random(1);

    public static void main(String[] args) throws Exception {
        System.out.println("# Frames written by kafka-clients (t/conformance/java/Frames.java):");
        System.out.println("#   API VERSION request|response HEX");
        System.out.println("# all fields set to random values; \"-defaults\": every field at its default,");
        System.out.println("# every array of structs of one such element.  Requests: client id \"kq\", or null");
        System.out.println("# with -defaults; the correlation id is 1000 + VERSION.");
        for (String key : args) {
            ApiMessageType api = ApiMessageType.fromApiKey(Short.parseShort(key));
            for (short v = api.lowestSupportedVersion(); v <= api.highestSupportedVersion(true); v++) {
                for (boolean defaults : new boolean[] {false, true}) {
                    ApiMessage q = api.newRequest(), a = api.newResponse();
                    fill(q, api.requestSchemas()[v], defaults);
                    fill(a, api.responseSchemas()[v], defaults);
                    print(api, v, "request", defaults, q);
                    print(api, v, "response", defaults, a);
                }
            }
        }
    }

    private static void print(ApiMessageType api, short v, String kind, boolean defaults, ApiMessage m) {
        Message h;
        short hv;
        if (kind.equals("request")) {
            hv = api.requestHeaderVersion(v);
            h = new RequestHeaderData().setRequestApiKey(api.apiKey()).setRequestApiVersion(v)
                .setCorrelationId(1000 + v).setClientId(defaults ? null : "kq");
        } else {
            hv = api.responseHeaderVersion(v);
            h = new ResponseHeaderData().setCorrelationId(1000 + v);
        }
        ObjectSerializationCache cache = new ObjectSerializationCache();
        int n = h.size(cache, hv) + m.size(cache, v);
        ByteBuffer b = ByteBuffer.allocate(4 + n);
        b.putInt(n);
        h.write(new ByteBufferAccessor(b), cache, hv);
        m.write(new ByteBufferAccessor(b), cache, v);
        System.out.println(api.apiKey() + " " + v + " " + kind + (defaults ? "-defaults " : " ")
            + HexFormat.of().formatHex(b.array()));
    }

    private static void fill(Object o, Schema schema, boolean defaults) throws Exception {
        for (BoundField bound : schema.fields()) {
            if (bound.def.type instanceof TaggedFields tagged) {
                for (Field f : tagged.fields().values())
                    set(o, f, defaults);
            } else {
                set(o, bound.def, defaults);
            }
        }
    }

    private static String camel(Field f) {
        StringBuilder name = new StringBuilder();
        for (String word : f.name.split("_"))
            name.append(Character.toUpperCase(word.charAt(0))).append(word.substring(1));
        return name.toString();
    }

    private static Object get(Object o, Field f) throws Exception {
        String name = camel(f);
        return o.getClass().getMethod(Character.toLowerCase(name.charAt(0)) + name.substring(1)).invoke(o);
    }

    private static void set(Object o, Field f, boolean defaults) throws Exception {
        String name = "set" + camel(f);
        for (Method m : o.getClass().getMethods()) {
            if (!m.getName().equals(name) || m.getParameterCount() != 1)
                continue;
            Schema inner = innermost(f.type);
            Class<?> c = m.getParameterTypes()[0];
            if (defaults && (inner == null || get(o, f) == null))
                return;
            if (defaults && !Collection.class.isAssignableFrom(c)) {
                fill(get(o, f), inner, true);
                return;
            }
            m.invoke(o, f.type == org.apache.kafka.common.protocol.types.Type.UINT16
                ? random.nextInt(1 << 16) : value(c, m.getGenericParameterTypes()[0], inner, defaults));
            return;
        }
        throw new IllegalStateException(o.getClass() + " has no " + name);
    }

    /** The schema of the struct, or of the array's structs; null: there is none. */
    private static Schema innermost(org.apache.kafka.common.protocol.types.Type t) {
        if (t.arrayElementType().isPresent())
            return innermost(t.arrayElementType().get());
        if (t instanceof Schema s)
            return s;
        try { // a nullable struct
            java.lang.reflect.Field f = t.getClass().getSuperclass() == Schema.class ? null
                : t.getClass().getDeclaredField("schema");
            if (f != null) {
                f.setAccessible(true);
                return (Schema) f.get(t);
            }
        } catch (ReflectiveOperationException e) {
            return null;
        }
        return null;
    }

    private static Object value(Class<?> c, Type generic, Schema inner, boolean defaults) throws Exception {
        if (c == boolean.class)
            return random.nextBoolean();
        if (c == byte.class)
            return (byte) random.nextInt();
        if (c == short.class)
            return (short) random.nextInt();
        if (c == int.class)
            return random.nextInt();
        if (c == long.class)
            return random.nextLong();
        if (c == double.class)
            return random.nextDouble();
        if (c == String.class)
            return word();
        if (c == Uuid.class)
            return new Uuid(random.nextLong(), random.nextLong());
        if (c == byte[].class)
            return bytes();
        if (c == ByteBuffer.class)
            return ByteBuffer.wrap(bytes());
        if (c.getName().endsWith("BaseRecords"))
            return MemoryRecords.readableRecords(ByteBuffer.wrap(bytes()));
        if (Collection.class.isAssignableFrom(c))
            return list(c, generic, inner, defaults);
        Object o = c.getDeclaredConstructor().newInstance();
        fill(o, inner, defaults);
        return o;
    }

    @SuppressWarnings("unchecked")
    private static Object list(Class<?> c, Type generic, Schema inner, boolean defaults) throws Exception {
        Type of = generic instanceof ParameterizedType p ? p : c.getGenericSuperclass();
        Class<?> element = (Class<?>) ((ParameterizedType) of).getActualTypeArguments()[0];
        Collection<Object> out;
        if (c == List.class) {
            out = new ArrayList<>();
        } else {
            Constructor<?> make = c.getDeclaredConstructor();
            out = (Collection<Object>) make.newInstance();
        }
        for (int i = defaults ? 1 : 1 + random.nextInt(2); i > 0; i--) {
            if (defaults) {
                Object o = element.getDeclaredConstructor().newInstance();
                fill(o, inner, true);
                out.add(o);
            } else {
                out.add(value(unboxed(element), element, inner, false));
            }
        }
        return out;
    }

    private static Class<?> unboxed(Class<?> c) {
        return c == Integer.class ? int.class : c == Long.class ? long.class
            : c == Short.class ? short.class : c == Byte.class ? byte.class : c;
    }

    private static String word() {
        StringBuilder b = new StringBuilder();
        for (int i = 1 + random.nextInt(6); i > 0; i--)
            b.append((char) ('a' + random.nextInt(26)));
        return b.toString();
    }

    private static byte[] bytes() {
        byte[] b = new byte[1 + random.nextInt(16)];
        random.nextBytes(b);
        return b;
    }
}
