# What tools/build --package puts into .deb files: the services, the command line, the remote executor.
# Dependencies are what the binaries link, found by dpkg-shlibdeps, so a package serves the Debian release it was made on.

set(SWITCHYARD_SERVICE_BINARIES switchyard switchyard-task-queue switchyard-identity switchyard-agent-hub switchyard-scheduler
    switchyard-model-registry switchyard-router switchyard-verification)
set(SWITCHYARD_COMPONENTS "")

foreach(binary ${SWITCHYARD_SERVICE_BINARIES})
  if(TARGET ${binary})
    install(TARGETS ${binary} RUNTIME DESTINATION bin COMPONENT services)
    list(APPEND SWITCHYARD_COMPONENTS services)
  endif()
endforeach()
if(TARGET switchyard-model-registry)
  install(DIRECTORY "${CMAKE_SOURCE_DIR}/deploy/config/" DESTINATION share/switchyard/config COMPONENT services)
endif()
if(TARGET yard)
  install(TARGETS yard RUNTIME DESTINATION bin COMPONENT yard)
  list(APPEND SWITCHYARD_COMPONENTS yard)
endif()
if(TARGET yard-agent)
  install(TARGETS yard-agent RUNTIME DESTINATION bin COMPONENT agent)
  install(TARGETS yard-agent-shim RUNTIME DESTINATION lib/switchyard COMPONENT agent)
  install(FILES "${CMAKE_SOURCE_DIR}/deploy/systemd/yard-agent.service" DESTINATION lib/systemd/system
          COMPONENT agent)
  install(FILES "${CMAKE_SOURCE_DIR}/deploy/yard-agent.yaml" DESTINATION /etc/yard-agent COMPONENT agent)
  list(APPEND SWITCHYARD_COMPONENTS agent)
endif()
list(REMOVE_DUPLICATES SWITCHYARD_COMPONENTS)

foreach(component ${SWITCHYARD_COMPONENTS})
  if(component STREQUAL "services")
    set(package switchyard-services)
  elseif(component STREQUAL "agent")
    set(package yard-agent)
  else()
    set(package ${component})
  endif()
  install(FILES "${CMAKE_SOURCE_DIR}/LICENSE" DESTINATION "share/doc/${package}" RENAME copyright
          COMPONENT ${component})
endforeach()

# Packing needs the packed binaries, not every test.
set(CMAKE_SKIP_INSTALL_ALL_DEPENDENCY ON)

set(CPACK_PACKAGE_NAME switchyard)
set(CPACK_PACKAGE_VERSION "${PROJECT_VERSION}")
set(CPACK_PACKAGE_CONTACT "The Switchyard maintainers <maintainers@switchyard.invalid>")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_GENERATOR DEB)
set(CPACK_COMPONENTS_ALL ${SWITCHYARD_COMPONENTS})
set(CPACK_COMPONENTS_GROUPING ONE_PER_GROUP)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_ENABLE_COMPONENT_DEPENDS OFF)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_SERVICES_PACKAGE_NAME switchyard-services)
set(CPACK_DEBIAN_SERVICES_PACKAGE_RECOMMENDS postgresql)
set(CPACK_COMPONENT_SERVICES_DESCRIPTION "Services of Switchyard: each by itself, and all in one")
set(CPACK_DEBIAN_YARD_PACKAGE_NAME yard)
set(CPACK_COMPONENT_YARD_DESCRIPTION "Command line of Switchyard")
set(CPACK_DEBIAN_AGENT_PACKAGE_NAME yard-agent)
# The sandbox of tasks, and the user that the service runs as.
set(CPACK_DEBIAN_AGENT_PACKAGE_DEPENDS "bubblewrap, passwd")
set(CPACK_DEBIAN_AGENT_PACKAGE_RECOMMENDS ca-certificates)
set(CPACK_DEBIAN_AGENT_PACKAGE_CONTROL_EXTRA
  "${CMAKE_SOURCE_DIR}/deploy/debian/yard-agent/postinst"
  "${CMAKE_SOURCE_DIR}/deploy/debian/yard-agent/prerm"
  "${CMAKE_SOURCE_DIR}/deploy/debian/yard-agent/postrm"
  "${CMAKE_SOURCE_DIR}/deploy/debian/yard-agent/conffiles")
set(CPACK_DEBIAN_AGENT_PACKAGE_CONTROL_STRICT_PERMISSION TRUE)
set(CPACK_COMPONENT_AGENT_DESCRIPTION "Remote executor of Switchyard: runs tasks on this machine")
include(CPack)
