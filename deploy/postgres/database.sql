-- A database of its owner, into which nobody else comes but the role that works there, where there is one. Text is compared
-- by code point: an order by the rules of some language changes with the library that knows them, and indexes with it.
SELECT format('CREATE DATABASE %I OWNER %I TEMPLATE template0 ENCODING %L LOCALE %L', :'name', :'name' || '_owner', 'UTF8', 'C.UTF-8')
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'name') \gexec
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SELECT format('GRANT CONNECT ON DATABASE %I TO %I', :'name', :'name') WHERE EXISTS (SELECT FROM pg_roles WHERE rolname = :'name') \gexec
